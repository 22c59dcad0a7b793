export { MemoryStore } from './memory-store.ts';
export { SeededRandom } from './seeded-random.ts';
export { type MadeStore, storeContract } from './store-contract.ts';
export { VirtualTime } from './virtual-time.ts';
