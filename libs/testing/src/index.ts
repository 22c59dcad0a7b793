export { MemoryStore } from './memory-store.ts';
export { type MadeStore, storeContract } from './store-contract.ts';
