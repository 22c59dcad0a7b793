import type { MoldauError } from '@moldau/kernel';
import type { Partition, StorageNode } from '@moldau/storage-node';
import type { Trace } from '../trace.ts';
import { Copies } from './copies.ts';
import { PartitionTruth } from './partition-truth.ts';
import type { StoreOracle } from './store-oracle.ts';
import { Violation } from './violation.ts';
import { idOf, place, type Write } from './write.ts';

/** A record as somebody read it. */
export interface ReadRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly value: string | null;
}

/** How far appends may be above their budget: one frame of each session. */
const budgetSlackBytes = 2 * 1024 * 1024;

/** One copy on one node: what is known of its partition and of all copies, and how it looked last. */
interface Known {
  readonly key: string;
  readonly truth: PartitionTruth;
  readonly copies: Copies;
  seen: Seen | undefined;
}

type Seen = ReturnType<typeof seenOf>;

const seenOf = ({ log, role, leading, copy }: Partition) => {
  const { logStart, highWatermark, durableEnd, writtenEnd, logEnd } = log;
  return { logStart, highWatermark, durableEnd, writtenEnd, logEnd, role, leading, copy };
};

/** Most events change one copy of many. */
const isUnchanged = (seen: Seen | undefined, { log, role, leading, copy }: Partition): boolean =>
  seen?.logEnd === log.logEnd &&
  seen.writtenEnd === log.writtenEnd &&
  seen.durableEnd === log.durableEnd &&
  seen.highWatermark === log.highWatermark &&
  seen.logStart === log.logStart &&
  seen.role === role &&
  seen.leading === leading &&
  seen.copy === copy;

/**
 * Knows what clients were promised, and what the node shows of itself, and throws a {@link Violation} when the two can't
 * both be true. Every topic but those that begin with `scratch` belongs to it.
 */
export class Oracle {
  readonly #trace: Trace;
  readonly #budgetBytes: number;
  readonly #writes = new Map<string, Write>();
  readonly #truths = new Map<string, PartitionTruth>();
  /** By partition key. */
  readonly #copies = new Map<string, Copies>();
  readonly #byPartition = new WeakMap<Partition, Known>();
  readonly #store: StoreOracle;
  readonly #mayRot: (node: number) => boolean;
  /** What this event has moved. */
  readonly #moved = new Set<Known>();
  readonly #claimed = new Set<PartitionTruth>();
  #storeSeen = 0;
  #damage: Violation | undefined;
  /** Where each value was seen. */
  readonly #seen = new Map<string, string>();
  readonly #lanes = new Map<string, { readonly offset: bigint; readonly number: number }[]>();

  /** `mayRot`: whether bits of this node's copies are flipped on purpose. */
  constructor(trace: Trace, budgetBytes: number, store: StoreOracle, mayRot: (node: number) => boolean) {
    this.#store = store;
    this.#mayRot = mayRot;
    this.#trace = trace;
    this.#budgetBytes = budgetBytes;
  }

  get writes(): Iterable<Write> {
    return this.#writes.values();
  }

  truth(name: string): PartitionTruth {
    const known = this.#truths.get(name);
    if (known !== undefined) return known;
    const truth = new PartitionTruth(name);
    this.#truths.set(name, truth);
    return truth;
  }

  /** Somebody begins to write. `lane`: see {@link Write}. */
  invoke(id: string, topic: string, bytes: number, lane: { name: string; number: number } | undefined): Write {
    const text = `${id}|${'~'.repeat(bytes)}`;
    const write: Write = {
      id,
      text,
      topic,
      lane: lane?.name,
      number: lane?.number ?? 0,
      state: 'pending',
      partition: undefined,
      offset: undefined,
    };
    this.#writes.set(id, write);
    this.#trace.note(`${id} invoke ${topic}`);
    return write;
  }

  ok(write: Write, partition: number, offset: bigint | undefined): void {
    const where = place(write.topic, partition);
    this.#trace.note(`${write.id} ok ${where}@${offset ?? '?'}`);
    if (write.offset !== undefined && offset !== undefined && write.offset !== offset) {
      throw new Violation('I17', `${write.id} is at ${where}@${write.offset}, and was acknowledged at ${offset} too`);
    }
    write.state = 'ok';
    write.partition = partition;
    if (offset === undefined) return;
    write.offset = offset;
    const seen = this.#seen.get(write.id);
    if (seen !== undefined && seen !== `${where}@${offset}`) {
      throw new Violation('I17', `${write.id} is at ${seen}, and was acknowledged at ${where}@${offset}`);
    }
    const truth = this.truth(where);
    truth.acknowledged(write, offset);
    this.#claimed.add(truth);
  }

  /** Somebody was told for good that the write has failed, and what that means. */
  failed(write: Write, error: MoldauError, outcome = error.outcome): void {
    this.#trace.note(`${write.id} ${outcome} ${error.reason}`);
    if (error.reason === 'INTERNAL') throw new Violation('bug', `${write.id} was answered ${error.message}`);
    const isSure = outcome === 'NOT_WRITTEN' || outcome === 'NOT_APPLICABLE';
    write.state = isSure ? 'not-written' : 'unknown';
    const seen = this.#seen.get(write.id);
    if (isSure && seen !== undefined) {
      throw new Violation('I16', `${write.id} was answered NOT_WRITTEN (${error.reason}), and is at ${seen}`);
    }
  }

  read({ topic, partition, offset, timestampMs, value }: ReadRecord): void {
    const name = place(topic, partition);
    const text = value ?? '';
    const write = this.#writes.get(idOf(text));
    if (write === undefined || write.text !== text || write.topic !== topic) {
      throw new Violation('I18', `${name}@${offset} holds ${text.slice(0, 40)}, which nobody wrote there`);
    }
    const where = `${name}@${offset}`;
    if (write.state === 'not-written') {
      throw new Violation('I16', `${write.id} was answered NOT_WRITTEN, and is at ${where}`);
    }
    const seen = this.#seen.get(write.id);
    if (seen !== undefined && seen !== where) throw new Violation('I17', `${write.id} is at ${seen} and at ${where}`);
    this.#seen.set(write.id, where);
    if (write.offset !== undefined && (write.offset !== offset || write.partition !== partition)) {
      throw new Violation('I17', `${write.id} was acknowledged at ${write.offset}, and is at ${where}`);
    }
    const truth = this.truth(name);
    truth.read(offset, `${write.id} at ${timestampMs}`);
    this.#claimed.add(truth);
    if (write.lane !== undefined && seen === undefined) this.#checkOrder(`${write.lane} in ${name}`, write, offset);
  }

  /** Looks at one node; `start` names its process. After every event. */
  look(id: number, start: string, node: StorageNode): void {
    const isStoreSeen = this.#storeSeen === this.#store.changes;
    for (const partition of node.partitions) {
      const known = this.#known(id, partition);
      if (isStoreSeen && isUnchanged(known.seen, partition)) continue;
      known.seen = seenOf(partition);
      this.#moved.add(known);
      const { truth, copies } = known;
      const moved = truth.look(start, partition);
      if (moved !== undefined) this.#trace.note(moved);
      copies.look(id, partition, this.#store.state(partition.log.key));
    }
    if (node.heldAppendBytes > this.#budgetBytes + budgetSlackBytes) {
      throw new Violation('I23', `appends hold ${node.heldAppendBytes} bytes of ${this.#budgetBytes}`);
    }
  }

  #known(node: number, partition: Partition): Known {
    const before = this.#byPartition.get(partition);
    if (before !== undefined) return before;
    const { identity, key, found } = partition.log;
    const soundly = !this.#mayRot(node);
    const damaged = (at: bigint) =>
      new Violation('I20', `${key} is damaged on node ${node} at ${at}, and nobody did that`);
    if (soundly && found.damagedAt !== undefined) throw damaged(found.damagedAt);
    if (soundly) {
      partition.log.onDamage(({ from }) => {
        this.#damage ??= damaged(from);
      });
    }
    const truth = this.truth(this.#ownsTopic(identity.topic) ? place(identity.topic, identity.partition) : key);
    const copies = this.#copies.get(key) ?? new Copies();
    const known = { key, truth, copies, seen: undefined };
    this.#copies.set(key, copies);
    this.#byPartition.set(partition, known);
    return known;
  }

  /** At the end of every event, when all nodes were looked at. */
  settle(): void {
    if (this.#damage !== undefined) throw this.#damage;
    for (const truth of this.#claimed) truth.settle();
    for (const { key, truth, copies } of this.#moved) copies.settle(truth, this.#store.state(key));
    this.#claimed.clear();
    this.#moved.clear();
    this.#storeSeen = this.#store.changes;
  }

  /** The disk under the node has failed, just now. */
  diskFailed(start: string, node: StorageNode): void {
    this.#trace.note(`the disk has failed for start ${start}`);
    for (const { log } of node.partitions) {
      const { topic, partition } = log.identity;
      const name = this.#ownsTopic(topic) ? place(topic, partition) : log.key;
      this.truth(name).diskFailed(start, log.durableEnd);
    }
  }

  /** A partition was read from its start to its end, but for the ranges that were refused as damaged. */
  readWhole(topic: string, partition: number, offsets: ReadonlySet<bigint>): void {
    const name = place(topic, partition);
    const truth = this.truth(name);
    for (let offset = truth.logStart; offset < truth.highWatermark; offset += 1n) {
      if (offsets.has(offset) || truth.isDamaged(offset)) continue;
      throw new Violation('lost', `${name}@${offset} is not there: ${truth.content.get(offset) ?? 'never read'}`);
    }
    for (const write of this.#writes.values()) {
      if (write.state !== 'ok' || write.topic !== topic || write.partition !== partition) continue;
      const { offset } = write;
      if (offset === undefined || offset < truth.logStart || truth.isDamaged(offset)) continue;
      if (truth.content.get(offset)?.startsWith(`${write.id} `)) continue;
      throw new Violation('lost', `${write.id} was acknowledged at ${name}@${offset}, and is not there`);
    }
  }

  /** Topics that are made and deleted on the way have another oracle: whoever makes them. */
  #ownsTopic(topic: string): boolean {
    return !topic.startsWith('scratch');
  }

  /** Each new record of a lane stands between those of the numbers before and behind it. */
  #checkOrder(name: string, write: Write, offset: bigint): void {
    const lane = this.#lanes.get(name) ?? [];
    this.#lanes.set(name, lane);
    let at = lane.length;
    while (at > 0 && (lane[at - 1]?.offset ?? 0n) > offset) at -= 1;
    lane.splice(at, 0, { offset, number: write.number });
    const before = lane[at - 1];
    const behind = lane[at + 1];
    if ((before?.number ?? -1) < write.number && (behind?.number ?? Number.POSITIVE_INFINITY) > write.number) return;
    const around = `${before?.number ?? 'nothing'} and ${behind?.number ?? 'nothing'}`;
    throw new Violation('order', `${name}@${offset} holds number ${write.number}, between ${around}`);
  }
}
