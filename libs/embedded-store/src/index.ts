export { EmbeddedStore, inMemory } from './embedded-store.ts';
