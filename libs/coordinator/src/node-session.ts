import {
  type Clock,
  faults,
  type Logger,
  type Millis,
  type NodeEpoch,
  type NodeId,
  type PartitionKey,
  partitionKey,
  type Revision,
  type Timers,
  Wakeup,
} from '@moldau/kernel';
import type { ReplicaReport } from '@moldau/metadata';
import { AssignmentFeed, type Assignments } from './assignment-feed.ts';
import type { GroupShards } from './group-shards.ts';
import type { ImageKeeper } from './image-keeper.ts';
import type { NodeConditions } from './node-conditions.ts';
import { staleNode } from './node-conditions.ts';
import type { NodeRoster, OpenSession } from './node-roster.ts';

/** What a node says on its session. */
export interface NodeSays {
  readonly node: NodeId;
  readonly epoch: NodeEpoch;
  readonly reports: readonly { readonly partition: PartitionKey; readonly report: ReplicaReport }[];
  readonly ready: boolean;
  readonly leaving: boolean;
  readonly storageFailed: boolean;
  readonly diskFull: boolean;
  /** Shards of the groups that it can't own any more, each under the epoch under which it had it. */
  readonly lostShards: readonly { readonly shard: number; readonly epoch: bigint }[];
  /** The highest metadata version that it has seen. */
  readonly seen: Revision;
  /** In its first message. */
  readonly clusterId?: string;
}

/** What a node is told. No assignments: a heartbeat. */
export interface NodeHears extends Assignments {
  readonly version: Revision;
  readonly nowMs: Millis;
  readonly fenced?: string;
}

/** The stream, in the words of the core. */
export interface NodeStream {
  readonly incoming: AsyncIterable<NodeSays>;
  readonly signal: AbortSignal;
  /** Resolves when there is room for more. */
  send(message: NodeHears): Promise<void>;
  end(): void;
  cancel(error: Error): void;
}

const heartbeatMs = 1_000;

/**
 * One session of a node: hears reports and heartbeats, tells assignments. The node gets its right to lead back once it has
 * reported every partition that its first message named.
 */
export class NodeSession implements OpenSession {
  readonly node: NodeId;
  readonly epoch: NodeEpoch;
  readonly #ports: { clock: Clock; timers: Timers; logger: Logger };
  readonly #keeper: ImageKeeper;
  readonly #roster: NodeRoster;
  readonly #conditions: NodeConditions;
  readonly #groupShards: GroupShards;
  readonly #stream: NodeStream;
  readonly #feed: AssignmentFeed;
  readonly #wakeup = new Wakeup();
  /** What the first message named, and this start of the node has not said anything about. */
  readonly #unreported = new Set<PartitionKey>();
  #greeted = false;
  /** Not to be asked again in this session. */
  #isLeaving = false;
  #storageFailed = false;
  #isDiskFull = false;
  #ended = false;

  constructor(
    ports: { clock: Clock; timers: Timers; logger: Logger },
    parts: { keeper: ImageKeeper; roster: NodeRoster; conditions: NodeConditions; groupShards: GroupShards },
    stream: NodeStream,
    { node, epoch }: { node: NodeId; epoch: NodeEpoch },
  ) {
    this.node = node;
    this.epoch = epoch;
    this.#ports = ports;
    this.#keeper = parts.keeper;
    this.#roster = parts.roster;
    this.#conditions = parts.conditions;
    this.#groupShards = parts.groupShards;
    this.#stream = stream;
    this.#feed = new AssignmentFeed(parts.keeper.image, node);
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  get isDiskFull(): boolean {
    return this.#isDiskFull;
  }

  /** Resolves when the session is over. `incoming` goes on behind its first message, which is `first`. */
  async run(first: NodeSays, incoming: AsyncIterator<NodeSays>): Promise<void> {
    if (this.#isStale()) return await this.#refuse();
    this.#roster.open(this);
    const ignore = this.#keeper.onChange((delta) => {
      if (this.#feed.note(delta)) this.#wakeup.wake();
    });
    const onAbort = (): void => this.#end();
    this.#stream.signal.addEventListener('abort', onAbort);
    try {
      await Promise.all([this.#tell(), this.#hear(first, incoming)]);
    } finally {
      this.#end();
      ignore();
      this.#stream.signal.removeEventListener('abort', onAbort);
      this.#roster.closed(this);
    }
  }

  close(why: string): void {
    if (this.#ended) return;
    this.#end();
    if (this.#isStale()) {
      this.#refuse().catch((error: unknown) => this.#ports.logger.debug('a stale node was not told so', { error }));
    } else this.#stream.cancel(faults.notServing(`the session of node ${this.node}`, `closed: ${why}`));
  }

  async #tell(): Promise<void> {
    while (!this.#ended) {
      const { image } = this.#keeper;
      const assignments = this.#feed.take();
      if (!this.#greeted) {
        this.#greeted = true;
        for (const { partition } of assignments.partitions) {
          const key = partitionKey(partition.topic, partition.index);
          if (this.#roster.reportOf(this.node, key) === undefined) this.#unreported.add(key);
        }
      }
      await this.#stream.send({ ...assignments, version: image.revision, nowMs: this.#ports.clock.wallMs() });
      await this.#wakeup.wait(this.#ports.timers, heartbeatMs);
    }
  }

  async #hear(first: NodeSays, incoming: AsyncIterator<NodeSays>): Promise<void> {
    await this.#take(first);
    while (!this.#ended) {
      const { done, value } = await incoming.next();
      if (done === true) break;
      await this.#take(value);
    }
    this.#end();
    this.#stream.end();
  }

  async #take(says: NodeSays): Promise<void> {
    const { node, epoch, reports, ready, leaving, storageFailed, diskFull, lostShards } = says;
    if (this.#ended) return;
    if (node !== this.node || epoch !== this.epoch) throw faults.invalidRequest('node_id', 'differs within a session');
    this.#roster.heard(node);
    for (const { partition, report } of reports) {
      this.#roster.report(this, partition, report);
      this.#unreported.delete(partition);
    }
    for (const lost of lostShards) this.#groupShards.lost(node, lost.shard, lost.epoch);
    this.#isDiskFull = diskFull;
    this.#isLeaving ||= leaving;
    this.#storageFailed ||= storageFailed;
    if (storageFailed) return await this.#conditions.fence(node, 'its storage has failed');
    if (leaving) return await this.#conditions.fence(node, 'it has left in order', true);
    const fenced = this.#keeper.image.node(node)?.condition.fenced ?? true;
    if (!ready || this.#isLeaving || this.#storageFailed || !fenced) return;
    if (this.#unreported.size > 0) {
      throw faults.invalidRequest('ready', `is said while ${this.#unreported.size} partitions are not reported`);
    }
    await this.#conditions.unfence(node, epoch);
  }

  #isStale(): boolean {
    return this.#keeper.image.node(this.node)?.epoch !== this.epoch;
  }

  async #refuse(): Promise<void> {
    const nothing = { snapshot: false, partitions: [], tombstones: [] };
    const version = this.#keeper.image.revision;
    const fenced = staleNode(this.node, this.epoch).message;
    await this.#stream.send({ ...nothing, version, nowMs: this.#ports.clock.wallMs(), fenced });
    this.#stream.end();
  }

  #end(): void {
    this.#ended = true;
    this.#wakeup.wake();
  }
}
