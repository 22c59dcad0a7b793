import { assert } from '@moldau/kernel';
import type { EncodedRecord } from './shard-kind.ts';

/** What leaves when its batch is committed, or never does. */
export interface Parked {
  /** What it holds in memory until then. */
  readonly bytes: number;
  release(): void;
  /** `mayBeWritten`: its batch was on its way to the log. */
  fail(mayBeWritten: boolean): void;
}

interface Batch {
  readonly records: EncodedRecord[];
  readonly parked: Parked[];
  /** Of the records. */
  bytes: number;
  parkedBytes: number;
}

/** A record costs so much beside its bytes. */
const recordCostBytes = 64;

/**
 * The batches of an owner, from the one that is being appended to the one that is being filled, and what waits for them. At most
 * one is on its way: whatever comes meanwhile goes together, so that a slow log makes larger batches and not more of them.
 */
export class CommitQueue {
  readonly #batchBytes: number;
  /** In order. The first one is on its way when `#isAppending`. */
  #batches: Batch[] = [];
  #isAppending = false;
  #waitingBytes = 0;
  #waiting = 0;

  /** A batch that has so many bytes is full. The records of one request are never divided: they may fill more. */
  constructor(batchBytes: number) {
    this.#batchBytes = batchBytes;
  }

  /** Of records that are not committed, and of what waits for them. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Answers that have not left. */
  get waiting(): number {
    return this.#waiting;
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /**
   * Takes what a request led to. Without records it waits for all that came before, or for nothing; `isFresh`: always for a
   * batch that is still to be sent, which may be an empty one.
   */
  add(records: readonly EncodedRecord[], isFresh: boolean, parked: Parked): void {
    const isWriting = records.length > 0;
    const last = this.#batches.at(-1);
    if (!isWriting && !isFresh && last === undefined) return parked.release();
    const batch = isWriting || isFresh ? this.#filling(isWriting) : last;
    assert(batch !== undefined, 'what waits has a batch');
    batch.parked.push(parked);
    this.#waiting += 1;
    for (const record of records) batch.records.push(record);
    const bytes = costOf(records);
    batch.bytes += bytes;
    batch.parkedBytes += parked.bytes;
    this.#waitingBytes += bytes + parked.bytes;
  }

  /** The records of the batch that is to be appended now: none at all where only a commit is asked for. `undefined`: no batch is. */
  take(): readonly EncodedRecord[] | undefined {
    const [first] = this.#batches;
    if (this.#isAppending || first === undefined) return undefined;
    this.#isAppending = true;
    return first.records;
  }

  /** What was taken is committed, and what waited for it leaves, in order. */
  committed(): void {
    assert(this.#isAppending, 'what is committed was appended');
    const batch = this.#batches.shift();
    assert(batch !== undefined, 'what is appended is at the head');
    this.#isAppending = false;
    this.#waitingBytes -= batch.bytes + batch.parkedBytes;
    this.#waiting -= batch.parked.length;
    for (const parked of batch.parked) parked.release();
  }

  /** Nothing of it will ever leave. */
  fail(mayBeWritten: boolean): void {
    const batches = this.#batches;
    const wasAppending = this.#isAppending;
    this.#batches = [];
    this.#isAppending = false;
    this.#waitingBytes = 0;
    this.#waiting = 0;
    for (const [i, { records, parked }] of batches.entries()) {
      const isDoubtful = mayBeWritten && wasAppending && i === 0 && records.length > 0;
      for (const one of parked) one.fail(isDoubtful);
    }
  }

  /** A batch that is not on its way yet, and has room. */
  #filling(isWriting: boolean): Batch {
    const last = this.#batches.at(-1);
    const isOnItsWay = this.#isAppending && this.#batches.length === 1;
    if (last !== undefined && !isOnItsWay && (!isWriting || last.bytes < this.#batchBytes)) return last;
    const batch: Batch = { records: [], parked: [], bytes: 0, parkedBytes: 0 };
    this.#batches.push(batch);
    return batch;
  }
}

function costOf(records: readonly EncodedRecord[]): number {
  let bytes = 0;
  for (const { key, value } of records) bytes += recordCostBytes + key.length + (value?.length ?? 0);
  return bytes;
}
