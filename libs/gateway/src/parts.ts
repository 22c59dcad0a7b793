import type { ByteBudget, Clock, MoldauError, Random, Timers } from '@moldau/kernel';
import type { ClusterView, Connections } from '@moldau/routing';
import type { GatewayMetrics } from './gateway-metrics.ts';

/** What every call and session of the gateway works with. */
export interface GatewayParts {
  readonly view: ClusterView;
  /** To storage nodes. */
  readonly connections: Connections;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** For batches on their way to the nodes. */
  readonly appendBudget: ByteBudget;
  /** For batches on their way to clients. */
  readonly fetchBudget: ByteBudget;
  readonly metrics: GatewayMetrics;
  /** Bytes of batches that one session may have in flight, in either direction. */
  readonly windowBytes: number;
  /** The error that may leave the process: what only a bug can cause is logged, and leaves as INTERNAL. */
  readonly seal: (error: unknown) => MoldauError;
}
