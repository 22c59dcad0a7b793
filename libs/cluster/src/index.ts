export { type DevCluster, type DevClusterOptions, startDevCluster } from './dev-cluster.ts';
export { type DevTelemetry, type DevTelemetryOptions, startDevTelemetry } from './dev-telemetry.ts';
