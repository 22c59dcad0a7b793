export { type DevCluster, type DevClusterOptions, type DevNode, startDevCluster } from './dev-cluster.ts';
