import {
  assert,
  type CancelTimer,
  type Clock,
  faults,
  type Logger,
  type Meter,
  type Millis,
  type NodeEpoch,
  type NodeId,
  nodeId,
  type Random,
  repeat,
  type Timers,
} from '@moldau/kernel';
import type { LogDirectory, PartitionLog } from '@moldau/log';
import { ReplicationService } from '@moldau/proto/moldau/internal/v1/replication_pb';
import type { CommittedState, Hello } from '@moldau/replication';
import type { Dialer, ServedService } from '@moldau/rpc';
import type { Partitions } from '../partitions.ts';
import { FollowerStream } from './follower-stream.ts';
import { Following } from './following.ts';
import { hashAlgorithm } from './hash-range.ts';
import { type AlterIsr, IsrProposals } from './isr-proposals.ts';
import { Leading, type LeadingEvents, type LeadingOptions, type LeadingPorts } from './leading.ts';
import { ReplicationMetrics } from './replication-metrics.ts';
import { replicationService } from './replication-service.ts';
import { ScrubMetrics } from './scrub-metrics.ts';
import { Scrubber, type ScrubberPorts } from './scrubber.ts';
import { toIsrChange } from './wire.ts';

/** What a node is told when it registers. */
export interface Identity {
  readonly clusterId: string;
  readonly nodeEpoch: NodeEpoch;
  readonly sessionTimeoutMs: Millis;
}

/** What replication needs of its node. */
export interface ReplicationPorts {
  readonly partitions: Partitions;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly me: NodeId;
  /** `undefined`: not registered yet. */
  identity(): Identity | undefined;
  addressOf(node: NodeId): string | undefined;
  /** The newest start of a node that the coordinator has told of. */
  newestStartOf(node: NodeId): NodeEpoch | undefined;
  readonly alterIsr: AlterIsr;
  /** Throws NOT_SERVING. */
  requireServing(): void;
  /** Everything is compared with its leader's copy once in this time. Infinity: never. */
  readonly scrubIntervalMs: Millis;
}

/** Lags and slow disks are looked for this often. */
const tickMs = 500;

/** All copies of this node: those that lead and those that follow, and the streams between nodes. */
export class Replication {
  readonly #ports: ReplicationPorts;
  readonly #directory: () => LogDirectory;
  readonly #proposals: IsrProposals;
  readonly #streams = new Map<number, FollowerStream>();
  readonly #metrics: ReplicationMetrics;
  readonly #scrubMetrics: ScrubMetrics;
  readonly #scrubber: Scrubber;
  #cancelTick: CancelTimer = () => {};
  #cancelLook: CancelTimer = () => {};
  #lastSession = 0;
  #streamsIn = 0;

  constructor(ports: ReplicationPorts, directory: () => LogDirectory) {
    this.#ports = ports;
    this.#directory = directory;
    this.#proposals = new IsrProposals(ports.alterIsr, ports.logger);
    this.#metrics = new ReplicationMetrics(ports.meter);
    this.#scrubMetrics = new ScrubMetrics(ports.meter);
    const askLeader: ScrubberPorts['askLeader'] = (...asked) => this.#askLeader(...asked);
    this.#scrubber = new Scrubber({ ...ports, metrics: this.#scrubMetrics, askLeader }, ports.scrubIntervalMs);
  }

  start(): void {
    this.#cancelTick = repeat(this.#ports.timers, tickMs, () => {
      const isDiskFull = this.#directory().diskState === 'full';
      for (const partition of this.#ports.partitions.all()) partition.tick(isDiskFull);
    });
    this.#scrubber.start();
    this.#cancelLook = this.#metrics.watch(this.#ports.timers, this.#ports.partitions, () => ({
      in: this.#streamsIn,
      out: [...this.#streams.values()].filter(({ isOpen }) => isOpen).length,
    }));
  }

  async stop(): Promise<void> {
    this.#cancelTick();
    this.#cancelLook();
    await this.#scrubber.stop();
    await Promise.all([...this.#streams.values()].map((stream) => stream.stop()));
  }

  service(): ServedService {
    const { partitions, clock, timers, logger, me, identity, newestStartOf, requireServing } = this.#ports;
    return replicationService({
      partitions,
      clock,
      timers,
      logger,
      me,
      newestStartOf,
      requireServing,
      metrics: this.#metrics,
      scrubMetrics: this.#scrubMetrics,
      streamsChanged: (by) => {
        this.#streamsIn += by;
      },
      clusterId: () => identity()?.clusterId ?? '',
      nextSession: () => this.#nextSession(),
    });
  }

  /** Begins a leadership. The log takes appends under the epoch already. */
  lead(log: PartitionLog, state: CommittedState, options: LeadingOptions, events: LeadingEvents): Leading {
    const { clock, logger, me } = this.#ports;
    const identity = this.#ports.identity();
    assert(identity !== undefined, 'a node that leads is registered');
    const { nodeEpoch: epoch, sessionTimeoutMs } = identity;
    const ports: LeadingPorts = {
      clock,
      logger,
      me: { node: me, epoch },
      sessionTimeoutMs,
      isrChanged: (before, after) => this.#metrics.isrChanged(before, after),
      propose: (of, leaderEpoch, proposal, decided) =>
        this.#proposals.propose({ change: toIsrChange(of.identity, leaderEpoch, proposal), decided }),
    };
    return new Leading(log, state, options, ports, events);
  }

  /** A copy that follows whoever leads. */
  follow(log: PartitionLog, copy: Hello['copy'], onLearned: () => void): Following {
    const { timers, logger } = this.#ports;
    const streamTo = (node: number): FollowerStream => this.#streamTo(node);
    return new Following(log, copy, { directory: this.#directory(), timers, logger, streamTo }, onLearned);
  }

  /** On a connection of its own: what is compared must not wait behind what is copied, nor hold it up. */
  async #askLeader(...[{ leader, epoch }, log, from, to, signal]: Parameters<ScrubberPorts['askLeader']>) {
    const { dialer, me } = this.#ports;
    const clusterId = this.#ports.identity()?.clusterId ?? '';
    const address = this.#ports.addressOf(leader);
    if (address === undefined) throw faults.notLeader(log.key, leader, epoch);
    const channel = dialer.dial(address, 'control');
    const { topicId, partition } = log.identity;
    const asked = { algorithm: hashAlgorithm, clusterId, nodeId: me, leaderId: leader, topicId, partition };
    try {
      const request = { ...asked, leaderEpoch: epoch, from, to };
      return await channel.unary(ReplicationService.method.hashRange, request, { signal });
    } finally {
      channel.close();
    }
  }

  #nextSession(): number {
    this.#lastSession += 1;
    return this.#lastSession;
  }

  #streamTo(node: number): FollowerStream {
    const open = this.#streams.get(node);
    if (open !== undefined) return open;
    const ports = { ...this.#ports, metrics: this.#metrics, nextSession: () => this.#nextSession() };
    const stream = new FollowerStream(nodeId(node), ports);
    this.#streams.set(node, stream);
    return stream;
  }
}
