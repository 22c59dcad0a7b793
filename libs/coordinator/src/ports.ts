import type { Clock, Logger, Meter, Millis, Random, Timers } from '@moldau/kernel';
import type { MetadataStore } from '@moldau/metadata';
import type { Dialer } from '@moldau/rpc';

/** What the coordinator needs of the world. */
export interface CoordinatorPorts {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Reaches the other coordinators, and nodes that have fallen silent. */
  readonly dialer: Dialer;
}

export interface CoordinatorConfig {
  /** Names this process in `DescribeCluster` and logs. */
  readonly instance: string;
  /** The office of the active coordinator is vacant when its holder was not heard by the store for so long. */
  readonly leaseMs: Millis;
  /** A node that was not heard for so long is fenced. */
  readonly sessionTimeoutMs: Millis;
  /** Topics may be created by asking for their metadata. */
  readonly autoCreate: boolean;
  readonly defaultPartitions: number;
  readonly defaultReplicas: number;
  /** How long a deleted topic's tombstone waits for nodes that are away. */
  readonly tombstoneGraceMs: Millis;
  /** Which address of a node clients are told: its own, or the one by which they called. */
  readonly advertise: 'registered' | 'authority';
}

export const defaultConfig: CoordinatorConfig = {
  instance: 'coordinator',
  leaseMs: 5_000,
  sessionTimeoutMs: 9_000,
  autoCreate: false,
  defaultPartitions: 1,
  defaultReplicas: 1,
  tombstoneGraceMs: 7 * 86_400_000,
  advertise: 'registered',
};
