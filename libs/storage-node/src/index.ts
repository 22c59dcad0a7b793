export { StorageNode, type StorageNodeConfig, type StorageNodePorts } from './storage-node.ts';
