export { GroupCoordinator, type GroupCoordinatorConfig, type GroupCoordinatorPorts } from './group-coordinator.ts';
export { GroupNode, type GroupNodeConfig } from './group-node.ts';
export { NodeLink, type NodeLinkPorts, type NodeRegistration } from './node-link.ts';
export { type ShardEntry, type ShardTable, ViewShardTable } from './shard-table.ts';
