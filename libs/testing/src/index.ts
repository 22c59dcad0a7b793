export { CruelDisk, type CruelDiskOptions, type DiskOperation } from './cruel-disk.ts';
export { CruelFileSystem } from './cruel-file-system.ts';
export { fileSystemContract, type MadeFileSystem } from './file-system-contract.ts';
export { MemoryStore } from './memory-store.ts';
export { MortalTimers } from './mortal-timers.ts';
export { SeededRandom } from './seeded-random.ts';
export { SimulatedCluster, type SimulatedClusterOptions } from './simulated-cluster.ts';
export { type Assertions, type MadeStore, storeContract } from './store-contract.ts';
export { VirtualTime } from './virtual-time.ts';
