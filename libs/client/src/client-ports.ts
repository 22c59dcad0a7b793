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
  /** What reads, and is to be closed with the client. Each is here from its beginning to its end. */
  readonly reading: Set<{ close(): Promise<void> | void }>;
}
