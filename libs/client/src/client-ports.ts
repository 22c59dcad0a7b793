import type { Clock, Logger, Random, Timers } from '@moldau/kernel';
import type { Bootstrap, Connections, MetadataCache } from '@moldau/routing';

/** What the parts of one client share. */
export interface ClientPorts {
  readonly bootstrap: Bootstrap;
  readonly connections: Connections;
  readonly metadata: MetadataCache;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** How long a call to the cluster may take, retries included. */
  readonly timeoutMs: number;
}
