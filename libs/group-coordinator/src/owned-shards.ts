import {
  type Frame,
  type GroupId,
  type GroupOptions,
  type Reply,
  type Request,
  shardOf,
  type TopicsView,
} from '@moldau/groups';
import {
  type CancelTimer,
  type Clock,
  faults,
  hasReason,
  type Logger,
  type Millis,
  type NodeId,
  type Random,
  sleep,
  type Timers,
  type TopicId,
} from '@moldau/kernel';
import { type ShardLog, ShardOwner } from '@moldau/shards';
import { type GroupOwner, groupKind } from './group-kind.ts';
import type { GroupMetrics } from './group-metrics.ts';
import type { ShardTable } from './shard-table.ts';
import { ShardWatch } from './shard-watch.ts';

/** The world, as the shards of one process see it. */
export interface OwnedShardsPorts {
  readonly table: ShardTable;
  /** The log of a shard, for its owner under an epoch. */
  readonly log: (shard: number, epoch: bigint) => ShardLog;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: GroupMetrics;
}

/** What is to be told when a shard is no longer owned here. */
export interface ShardGuest {
  moved(): void;
  frame(frame: Frame['frame']): void;
}

/** One shard under one epoch, and who is on it. */
export interface OwnedShard {
  readonly shard: number;
  readonly epoch: bigint;
  readonly owner: GroupOwner;
  readonly watch: ShardWatch;
  readonly guests: Map<number, ShardGuest>;
  /** Who waits to hear that the shard is still owned. */
  unconfirmed: (() => void)[];
}

/** A shard that this process can't own under this epoch any more. */
export interface LostShard {
  readonly shard: number;
  readonly epoch: bigint;
}

/** A confirmation costs a write: those of so long are one. */
const confirmAfterMs: Millis = 250;
/** A queue that is full has room again by then. */
const againMs: Millis = 250;
/** So long a shard that is given up may bring to an end what it has. */
const drainMaxMs: Millis = 5_000;

/** The shards that this process owns: as many as the table says, each under the epoch that it says. */
export class OwnedShards {
  readonly #self: NodeId;
  readonly #count: number;
  readonly #options: GroupOptions;
  readonly #ports: OwnedShardsPorts;
  readonly #owned = new Map<number, OwnedShard>();
  /** By shard: the last epoch under which it was owned. It is never owned under that again. */
  readonly #spent = new Map<number, bigint>();
  readonly #leaving = new Set<Promise<void>>();
  #topics: TopicsView;
  #nextStream = 1;
  #unwatch: CancelTimer = () => {};

  /** `count`: of all shards that there are. */
  constructor(self: NodeId, count: number, topics: TopicsView, options: GroupOptions, ports: OwnedShardsPorts) {
    this.#self = self;
    this.#count = count;
    this.#topics = topics;
    this.#options = options;
    this.#ports = ports;
  }

  start(): void {
    this.#unwatch = this.#ports.table.onChange(() => this.#settle());
    this.#settle();
  }

  /** Hands all of them over. */
  async stop(): Promise<void> {
    this.#unwatch();
    for (const shard of this.#owned.keys()) this.#release(shard);
    await Promise.all(this.#leaving);
  }

  /** How many there are, here and elsewhere. */
  get count(): number {
    return this.#count;
  }

  /** Those that are served. */
  serving(): OwnedShard[] {
    return [...this.#owned.values()].filter(({ owner }) => owner.phase.kind === 'serving');
  }

  /** Those that will be served once they are loaded. */
  loading(): OwnedShard[] {
    return [...this.#owned.values()].filter(
      ({ owner: { phase } }) => phase.kind === 'fencing' || phase.kind === 'replaying',
    );
  }

  /** All, whether they are served or are about to be. Throws NOT_SERVING when one was lost by a failure, and nobody has it. */
  all(): OwnedShard[] {
    const [lost] = this.lost();
    if (lost !== undefined) throw faults.notServing(`shard ${lost.shard} of the groups`, 'lost by a failure');
    return [...this.#owned.values()];
  }

  /** Those that the table gives to this process under an epoch under which it has lost them: nobody else has them. */
  lost(): LostShard[] {
    return [...this.#spent].flatMap(([shard, epoch]) => {
      const entry = this.#ports.table.owner(shard);
      return !this.#owned.has(shard) && entry?.node === this.#self && entry.epoch === epoch ? [{ shard, epoch }] : [];
    });
  }

  /** The shard of a group. `undefined`: it is not owned here. */
  find(group: GroupId): OwnedShard | undefined {
    return this.#owned.get(shardOf(group, this.#count));
  }

  /** The same. Throws NOT_COORDINATOR when it is not owned here. */
  of(group: GroupId): OwnedShard {
    const owned = this.find(group);
    if (owned === undefined) throw faults.notCoordinator(group, this.coordinator(group));
    return owned;
  }

  /** Who coordinates a group. `undefined`: nobody, as far as is known. */
  coordinator(group: GroupId): NodeId | undefined {
    const shard = shardOf(group, this.#count);
    const entry = this.#ports.table.owner(shard);
    // What was lost here is somebody else's, and nobody knows yet whose.
    const phase = this.#owned.get(shard)?.owner.phase.kind ?? 'lost';
    const isSpent = entry?.node === this.#self && phase === 'lost';
    return isSpent ? undefined : entry?.node;
  }

  /** A number that no stream of this process has had. */
  streamNumber(): number {
    const stream = this.#nextStream;
    this.#nextStream += 1;
    return stream;
  }

  /** Steps, and resolves when what it led to is committed. */
  ask({ owner }: OwnedShard, request: Request, isFresh = false): Promise<Reply> {
    return new Promise((resolve, reject) => {
      owner.submit(request, (error, reply) => (reply === undefined ? reject(error) : resolve(reply)), { isFresh });
    });
  }

  /** Calls back once it is sure that nobody else had the shard when this was called; never, when it is lost. */
  confirm(owned: OwnedShard, confirmed: () => void): void {
    owned.unconfirmed.push(confirmed);
    if (owned.unconfirmed.length > 1) return;
    this.#ports.timers.after(confirmAfterMs, () => {
      const waiting = owned.unconfirmed;
      owned.unconfirmed = [];
      this.ask(owned, { kind: 'tick' }, true).then(
        () => {
          for (const one of waiting) one();
        },
        (error: unknown) => {
          this.#ports.logger.debug('nothing is confirmed', { shard: owned.shard, error });
          // There was no room. When the shard is lost, whoever waits hears of that.
          if (owned.owner.phase.kind !== 'serving') return;
          for (const one of waiting) this.confirm(owned, one);
        },
      );
    });
  }

  /** `topics` are all that there are now; `gone` are not, for good. */
  topicsChanged(topics: TopicsView, gone: readonly TopicId[]): void {
    this.#topics = topics;
    for (const owned of this.serving()) {
      void this.#tell(owned, gone).catch((error: unknown) => {
        this.#ports.logger.warn('a shard could not be told of the topics', { shard: owned.shard, error });
      });
    }
  }

  async #tell(owned: OwnedShard, gone: readonly TopicId[]): Promise<void> {
    await this.#insist(owned, () => ({ kind: 'topics-changed', topics: this.#topics }));
    for (const topic of gone) {
      for (let more = true; more; ) {
        const reply = await this.#insist(owned, () => ({ kind: 'topic-deleted', topic }));
        more = reply.kind === 'forgotten' && reply.more;
      }
    }
  }

  /** Asks until there is room: nobody says it a second time. */
  async #insist(owned: OwnedShard, request: () => Request): Promise<Reply> {
    for (;;) {
      try {
        return await this.ask(owned, request());
      } catch (error) {
        if (!hasReason(error, 'OVERLOADED')) throw error;
      }
      await sleep(this.#ports.timers, againMs);
    }
  }

  #settle(): void {
    for (let shard = 0; shard < this.#count; shard += 1) {
      const entry = this.#ports.table.owner(shard);
      const epoch = entry?.node === this.#self ? entry.epoch : undefined;
      if (this.#owned.has(shard) && this.#owned.get(shard)?.epoch !== epoch) this.#release(shard);
      if (epoch !== undefined && epoch > (this.#spent.get(shard) ?? -1n)) this.#own(shard, epoch);
    }
  }

  #own(shard: number, epoch: bigint): void {
    const { log, clock, timers, random, logger, metrics } = this.#ports;
    const guests = new Map<number, ShardGuest>();
    const watch = new ShardWatch(clock, metrics);
    const owner: GroupOwner = new ShardOwner(
      `shard ${shard} of the groups`,
      groupKind(() => this.#topics, this.#options, watch),
      {
        log: log(shard, epoch),
        clock,
        timers,
        random,
        logger,
        frame: ({ stream, frame }) => guests.get(stream)?.frame(frame),
        lost: () => this.#lost(owned),
      },
    );
    const owned: OwnedShard = { shard, epoch, owner, watch, guests, unconfirmed: [] };
    this.#spent.set(shard, epoch);
    this.#owned.set(shard, owned);
    metrics.moved('in');
    owner.start();
  }

  #release(shard: number): void {
    const owned = this.#owned.get(shard);
    if (owned === undefined || owned.owner.phase.kind === 'draining') return;
    const leaving = owned.owner.drain();
    // A log that decides nothing keeps nobody.
    const cancel = this.#ports.timers.after(drainMaxMs, () => owned.owner.stop());
    this.#leaving.add(leaving);
    void leaving.finally(() => {
      cancel();
      this.#leaving.delete(leaving);
    });
  }

  #lost(owned: OwnedShard): void {
    this.#ports.metrics.moved('out');
    if (this.#owned.get(owned.shard) === owned) this.#owned.delete(owned.shard);
    for (const guest of [...owned.guests.values()]) guest.moved();
    owned.guests.clear();
  }
}
