import {
  type Clock,
  type Counter,
  Gate,
  hasReason,
  jittered,
  type Logger,
  type Meter,
  type Millis,
  type NodeId,
  type PartitionKey,
  partitionKey,
  type Random,
  sleep,
  type Timers,
  Wakeup,
} from '@moldau/kernel';
import {
  decide,
  type ElectionView,
  type ImageDelta,
  minIsrOf,
  type PartitionImage,
  type PartitionRef,
  type PartitionState,
  preferLeader,
  type ReplicaReport,
  recoveryOf,
} from '@moldau/metadata';
import type { ImageKeeper } from './image-keeper.ts';
import { Leaderless } from './leaderless.ts';
import { PartitionBatch } from './partition-batch.ts';
import type { StoreWriter } from './store-writer.ts';

/** What nodes have reported of their replicas. */
export interface ReplicaReports {
  reportOf(node: NodeId, partition: PartitionKey): ReplicaReport | undefined;
  /** When the running start of the node reported it first. */
  reportedAt(node: NodeId, partition: PartitionKey): Millis | undefined;
  /** The replica has caught up: what was said of its copy is past, until it says something else. */
  settle(node: NodeId, partition: PartitionKey): void;
  /** Calls with every report that comes in. */
  onReport(listener: (node: NodeId, partition: PartitionKey) => void): void;
}

const retryMs = 50;
const idleMs = 30_000;

/**
 * Brings every partition to the state that it should have. Whatever may matter marks partitions; one loop looks at them
 * again, and writes what differs. A conflict, or a store that does not answer, only means to look again.
 */
export class Elections {
  readonly #ports: { timers: Timers; random: Random; clock: Clock; logger: Logger };
  readonly #keeper: ImageKeeper;
  readonly #writer: StoreWriter;
  readonly #reports: ReplicaReports;
  readonly #leaderless: Leaderless;
  readonly #marked = new Map<PartitionKey, PartitionRef>();
  readonly #preferring = new Set<PartitionKey>();
  readonly #wakeup = new Wakeup();
  readonly #settled = new Gate();
  readonly #leaders: Counter;
  readonly #losses: Counter;
  #working = false;
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(
    ports: { timers: Timers; random: Random; clock: Clock; logger: Logger; meter: Meter },
    keeper: ImageKeeper,
    writer: StoreWriter,
    reports: ReplicaReports,
    patienceMs: Millis,
  ) {
    this.#ports = ports;
    this.#leaderless = new Leaderless(ports, reports, patienceMs);
    this.#keeper = keeper;
    this.#writer = writer;
    this.#reports = reports;
    this.#leaders = ports.meter.counter('moldau_coordinator_elections_total', 'Leaders elected');
    this.#losses = ports.meter.counter('moldau_coordinator_data_losses_total', 'Leaders elected without all data');
  }

  /** `onBug`: a decision broke an invariant, and nothing more is decided. */
  start(onBug: (error: unknown) => void): void {
    this.#markAll();
    this.#keeper.onChange((delta) => this.#markChanged(delta));
    this.#reports.onReport((node, partition) => {
      const ref = this.#keeper.image.replicasOn(node).get(partition);
      if (ref !== undefined) this.#mark(ref);
    });
    this.#leaderless.start((partition) => this.#mark(partition));
    this.#loop = this.#run().catch((error: unknown) => {
      this.#stopped = true;
      this.#settled.open();
      onBug(error);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#leaderless.stop();
    this.#wakeup.wake();
    await this.#loop;
    this.#settled.open();
  }

  /** Resolves when every partition that was marked has been dealt with, or elections have stopped. */
  async settled(): Promise<void> {
    while (!this.#stopped && (this.#working || this.#marked.size > 0)) await this.#settled.wait();
  }

  /** The preferred replica of the partition leads it from now on, if it may. */
  prefer(ref: PartitionRef): void {
    this.#preferring.add(partitionKey(ref.topic, ref.index));
    this.#mark(ref);
  }

  #mark(ref: PartitionRef): void {
    this.#marked.set(partitionKey(ref.topic, ref.index), ref);
    this.#wakeup.wake();
  }

  #markAll(): void {
    for (const topic of this.#keeper.image.topics()) {
      for (const partition of this.#keeper.image.partitionsOf(topic)) this.#mark(partition);
    }
  }

  #markChanged(delta: ImageDelta): void {
    const { image } = this.#keeper;
    if (delta.clusterConfig) this.#markAll();
    for (const node of delta.nodes) for (const ref of image.replicasOn(node).values()) this.#mark(ref);
    for (const ref of delta.partitions.values()) this.#mark(ref);
    for (const id of delta.topics) {
      const topic = image.topic(id);
      if (topic !== undefined) for (const partition of image.partitionsOf(topic)) this.#mark(partition);
    }
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#marked.size === 0) {
        this.#working = false;
        this.#settled.open();
        await this.#wakeup.wait(this.#ports.timers, idleMs);
        continue;
      }
      this.#working = true;
      await this.#round();
    }
  }

  async #round(): Promise<void> {
    const batch = new PartitionBatch(this.#keeper.image.keys);
    const changes: { before: PartitionImage; next: PartitionState }[] = [];
    for (const [key, ref] of this.#marked) {
      const before = this.#keeper.image.partition(ref);
      this.#leaderless.note(key, before);
      const next = before === undefined ? undefined : this.#next(key, before);
      if (before !== undefined && next !== undefined) {
        const relied = next.isr.flatMap(({ node }) => this.#keeper.image.node(node) ?? []);
        if (!batch.add(ref, next, before.revision, relied)) break;
        changes.push({ before, next });
      }
      this.#marked.delete(key);
      this.#preferring.delete(key);
    }
    if (batch.size > 0) await this.#write(batch, changes);
  }

  #next(key: PartitionKey, before: PartitionImage): PartitionState | undefined {
    const view = this.#viewOf(before);
    const next = decide(before.state, view);
    if (next !== undefined || !this.#preferring.has(key)) return next;
    return preferLeader(before.state, view);
  }

  async #write(batch: PartitionBatch, changes: { before: PartitionImage; next: PartitionState }[]): Promise<void> {
    try {
      const result = await this.#writer.commit({ compares: batch.compares(), ops: (nonce) => batch.ops(nonce) });
      if (result.kind === 'committed') {
        this.#tell(changes);
        return await this.#keeper.reached(result.revision);
      }
    } catch (error) {
      if (hasReason(error, 'NOT_SERVING')) return;
      this.#ports.logger.warn('an election could not be written: trying again', { error });
    }
    for (const { before } of changes) this.#mark(before);
    await sleep(this.#ports.timers, jittered(this.#ports.random, retryMs));
  }

  #tell(changes: readonly { before: PartitionImage; next: PartitionState }[]): void {
    for (const { before, next } of changes) {
      if (next.leader === undefined || next.leaderEpoch === before.state.leaderEpoch) continue;
      this.#leaders.add();
      const fields = { topic: before.topic, partition: before.index, leader: next.leader, epoch: next.leaderEpoch };
      this.#ports.logger.debug('elected a leader', fields);
      if (next.lastUncleanEpoch !== next.leaderEpoch) continue;
      this.#losses.add();
      this.#ports.logger.error('elected a leader that lacks acknowledged data: no complete copy is left', fields);
    }
  }

  #viewOf(partition: PartitionImage): ElectionView {
    const { image } = this.#keeper;
    const { topic, index, state } = partition;
    const key = partitionKey(topic, index);
    const own = image.topic(topic)?.record.config ?? {};
    return {
      epochOf: (node) => image.activeEpochOf(node),
      reportOf: (node) => this.#reports.reportOf(node, key),
      minIsr: minIsrOf(own, image.clusterConfig, state.replicas.length),
      recovery: recoveryOf(own, image.clusterConfig),
      awaitsEligible: this.#leaderless.awaitsEligible(partition),
      awaitsReplicas: this.#leaderless.awaitsReplicas(partition),
    };
  }
}
