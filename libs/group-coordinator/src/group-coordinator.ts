import { defaultGroupOptions, type GroupOptions, type TopicsView } from '@moldau/groups';
import {
  type CancelTimer,
  type Clock,
  faults,
  type Logger,
  type Meter,
  type Millis,
  type NodeId,
  type Random,
  type Timers,
  topicId,
} from '@moldau/kernel';
import { type ClusterView, Connections, Relay } from '@moldau/routing';
import { type Dialer, type ServedService, sealError } from '@moldau/rpc';
import { PartitionShardLog } from '@moldau/shards';
import { CommitChecks } from './commit-checks.ts';
import { GroupMetrics } from './group-metrics.ts';
import { groupService } from './group-service.ts';
import { LagSeries } from './lag-series.ts';
import { LagWatch } from './lag-watch.ts';
import { LeaderEnds } from './log-ends.ts';
import { MemberStream } from './member-stream.ts';
import { type LostShard, OwnedShards } from './owned-shards.ts';
import type { ShardTable } from './shard-table.ts';
import { topicsOf } from './topics-of-view.ts';

/** The world, as a group coordinator sees it. */
export interface GroupCoordinatorPorts {
  /** Reaches the coordinators and the storage nodes. */
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Who owns which shard, made from what the process knows of the cluster. */
  readonly table: (view: ClusterView) => ShardTable;
}

/** What a group coordinator is told. */
export interface GroupCoordinatorConfig {
  readonly nodeId: NodeId;
  /** Addresses of all coordinators. */
  readonly coordinators: readonly string[];
  /** The internal topic whose partitions are the shards. */
  readonly topic: string;
  readonly shards: number;
  readonly options?: GroupOptions | undefined;
}

/** While nobody has told it of the cluster, it looks so often whether it was stopped. */
const lookEveryMs: Millis = 1_000;
/** Changes of the topics that come in so long are one: each makes groups look again. */
const topicsAfterMs: Millis = 100;
/** Streams of members at one time. */
const streamsMax = 20_000;

type Stage = 'starting' | 'serving' | 'leaving' | 'stopped';

/** Coordinates the groups of the shards that it owns. Keeps nothing: a shard is what its log says. */
export class GroupCoordinator {
  readonly #ports: GroupCoordinatorPorts;
  readonly #options: GroupOptions;
  readonly #relay: Relay;
  readonly #connections: Connections;
  readonly #metrics: GroupMetrics;
  readonly #shards: OwnedShards;
  readonly #ends: LeaderEnds;
  readonly #lag: LagWatch;
  readonly #streams = new Set<MemberStream>();
  #topics: TopicsView;
  #cancelTopics: CancelTimer | undefined;
  readonly #unwatch: CancelTimer[] = [];
  #stage: Stage = 'starting';

  constructor(ports: GroupCoordinatorPorts, config: GroupCoordinatorConfig) {
    const { coordinators, topic, nodeId, shards, options = defaultGroupOptions } = config;
    this.#ports = ports;
    this.#options = options;
    this.#connections = new Connections(ports.dialer);
    this.#relay = new Relay({ coordinators, advertise: 'registered' }, ports);
    const { view } = this.#relay;
    this.#topics = topicsOf(view);
    const routing = { ...ports, view, connections: this.#connections };
    this.#metrics = new GroupMetrics(ports.meter);
    this.#shards = new OwnedShards(nodeId, shards, this.#topics, options, {
      ...ports,
      metrics: this.#metrics,
      table: ports.table(view),
      log: (shard, epoch) => new PartitionShardLog({ topic, partition: shard, fencingToken: epoch }, routing),
    });
    this.#ends = new LeaderEnds(view, this.#connections);
    this.#lag = new LagWatch({
      ...ports,
      series: new LagSeries(ports.meter),
      shards: this.#shards,
      ends: this.#ends,
      topicName: (topic) => view.topic(topic)?.name,
      nowMs: () => ports.clock.wallMs(),
    });
  }

  /** Resolves when it knows the cluster, and serves; or when it is stopped before. */
  async start(): Promise<void> {
    const { view } = this.#relay;
    this.#relay.start();
    while (this.#stage === 'starting' && !view.isKnown) await view.reached(0n, lookEveryMs);
    if (this.#stage !== 'starting') return;
    this.#topicsChanged();
    const unwatchView = view.onChange((changed) => {
      this.#connections.keep(new Set(view.nodes().map(({ address }) => address)));
      if (changed === 'anything' || [...changed.topics].length > 0) this.#topicsSoon();
    });
    this.#shards.start();
    this.#unwatch.push(unwatchView, this.#metrics.watch(this.#ports.timers, this.#shards));
    this.#lag.start();
    this.#stage = 'serving';
  }

  /** What it serves. */
  services(): ServedService[] {
    const { clock, timers } = this.#ports;
    const ends = this.#ends;
    const checks = new CommitChecks(ends, this.#metrics);
    const { sessionTimeoutMs } = this.#options;
    const streamPorts = {
      shards: this.#shards,
      checks,
      sessionTimeoutMs,
      clock,
      timers,
      seal: (error: unknown) => sealError(error, 'a session', this.#ports),
    };
    const groups = groupService({
      shards: this.#shards,
      checks,
      ends,
      nowMs: () => clock.wallMs(),
      requireServing: () => this.#requireServing(),
      seeTopics: () => this.#seeTopics(),
      join: (session) => this.#hold(new MemberStream(session, streamPorts)),
    });
    return [groups, this.#relay.service()];
  }

  /** What it knows of the cluster. */
  get view(): ClusterView {
    return this.#relay.view;
  }

  get isServing(): boolean {
    return this.#stage === 'serving';
  }

  /** The shards that it serves now. */
  get servedShards(): number[] {
    return this.#shards.serving().map(({ shard }) => shard);
  }

  /** The shards that it was given and has lost by a failure: they are to be given out anew. */
  get lostShards(): LostShard[] {
    return this.isServing ? this.#shards.lost() : [];
  }

  /** Asks every member to leave, and takes nothing new. */
  drain(graceMs: Millis): void {
    this.#stage = 'leaving';
    for (const stream of this.#streams) stream.drain(graceMs);
  }

  /** Hands its shards over, and ends everything. */
  async stop(): Promise<void> {
    this.#stage = 'stopped';
    for (const unwatch of this.#unwatch) unwatch();
    this.#cancelTopics?.();
    this.#lag.stop();
    await this.#shards.stop();
    await this.#relay.stop();
    this.#connections.close();
  }

  async #hold(stream: MemberStream): Promise<void> {
    this.#requireServing();
    if (this.#streams.size >= streamsMax) throw faults.overloaded('the number of members of this process', streamsMax);
    this.#streams.add(stream);
    try {
      await stream.run();
    } finally {
      this.#streams.delete(stream);
    }
  }

  #topicsSoon(): void {
    this.#cancelTopics ??= this.#ports.timers.after(topicsAfterMs, () => {
      this.#cancelTopics = undefined;
      this.#topicsChanged();
    });
  }

  /** What is about to be told to the groups is told now. */
  #seeTopics(): void {
    if (this.#cancelTopics === undefined) return;
    this.#cancelTopics();
    this.#cancelTopics = undefined;
    this.#topicsChanged();
  }

  #topicsChanged(): void {
    const { view } = this.#relay;
    const before = this.#topics;
    this.#topics = topicsOf(view);
    if (isSame(before, this.#topics)) return;
    const gone = [...before.byId.keys()].filter((id) => view.topic(id) === undefined && view.wasRemoved(id));
    this.#shards.topicsChanged(this.#topics, gone.map(topicId));
  }

  #requireServing(): void {
    if (this.#stage !== 'serving') throw faults.notServing('this group coordinator', this.#stage);
  }
}

/** Whether groups have nothing to look at: topics are the same, with as many partitions. Leaders and copies move all the time. */
const isSame = (a: TopicsView, b: TopicsView): boolean =>
  a.byId.size === b.byId.size &&
  [...a.byId.values()].every(({ id, partitions }) => b.byId.get(id)?.partitions === partitions);
