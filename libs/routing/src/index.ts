export { Bootstrap, type RoutingPorts } from './bootstrap.ts';
export { Connections } from './connections.ts';
export { type Leader, MetadataCache } from './metadata-cache.ts';
export { retrying } from './retrying.ts';
