export { Bootstrap, type RoutingPorts } from './bootstrap.ts';
export { ClusterView, type ClusterViewPorts } from './cluster-view.ts';
export { Connections } from './connections.ts';
export { type Leader, MetadataCache } from './metadata-cache.ts';
export type { MetadataChange } from './metadata-feed.ts';
export { checkNames, wantedTopics } from './metadata-request.ts';
export type { Changed, MetadataSource, WatchedMetadata } from './metadata-source.ts';
export { watchMetadata } from './metadata-watch.ts';
export { retrying } from './retrying.ts';
