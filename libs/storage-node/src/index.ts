export type { Partition } from './partition.ts';
export { StorageNode, type StorageNodeConfig, type StorageNodePorts } from './storage-node.ts';
