export { askForGroups } from './ask-for-groups.ts';
export type { Assertions } from './assertions.ts';
export {
  appendSession,
  batchOf,
  Collected,
  type CollectedAppends,
  type CollectedFetches,
  fetchSession,
} from './collected-session.ts';
export { CruelDisk, type CruelDiskOptions, type DiskOperation } from './cruel-disk.ts';
export { CruelFileSystem } from './cruel-file-system.ts';
export { failsWith, fileSystemContract, type MadeFileSystem } from './file-system-contract.ts';
export { type Commit, MemoryStore } from './memory-store.ts';
export { MortalTimers } from './mortal-timers.ts';
export { NetworkWeather } from './network-weather.ts';
export { ProcessStore } from './process-store.ts';
export { SeededRandom } from './seeded-random.ts';
export { SimulatedCluster, type SimulatedClusterOptions } from './simulated-cluster.ts';
export { SimulatedCoordinator } from './simulated-coordinator.ts';
export { gatewayWindowBytes, SimulatedGateway } from './simulated-gateway.ts';
export { SimulatedGroupCoordinator } from './simulated-group-coordinator.ts';
export { SimulatedNode } from './simulated-node.ts';
export { SimulatedProcess } from './simulated-process.ts';
export { SkewedClock } from './skewed-clock.ts';
export { type MadeStore, storeContract } from './store-contract.ts';
export { VirtualTime } from './virtual-time.ts';
export { WatchedFileSystem } from './watched-file-system.ts';
