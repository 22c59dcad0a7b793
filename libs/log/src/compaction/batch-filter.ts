import type { Millis, Offset } from '@moldau/kernel';
import { type BatchHeader, noProducer } from '@moldau/records';
import { windowBatches } from '../producers/producer-window.ts';
import { hasKeyedRecords, walkRecords } from './batch-records.ts';
import { rewriteBatch } from './batch-rewrite.ts';
import type { CompactionRun, TimeRange } from './compaction-run.ts';
import { emptiedBatch } from './empty-batch.ts';
import type { NewestKeys } from './newest-keys.ts';
import type { RecordWalk } from './record-walk.ts';

// The delete horizon is Kafka's (KIP-534): the first pass that leaves a tombstone as the oldest record of its key writes into
// its batch, in place of the base timestamp, when it may go, and says so by a bit. Times of records count from there, then.
// That time counts from the latest that it may be, and has come when it has by the earliest: a clock that was put right in
// between must not take it from readers.

/** What a pass leaves of a log, batch by batch. */
export class BatchFilter {
  readonly #run: CompactionRun;
  readonly #newest: NewestKeys;
  /** The same for all that is asked of one batch: it is gone through twice. */
  #now: TimeRange = { earliestMs: 0, latestMs: 0 };
  /** Behind the highest tombstone that was dropped; 0: none was. */
  tombstoneEnd = 0n as Offset;
  /** The latest time at which a tombstone that was kept may go. */
  horizonMs: Millis = Number.NEGATIVE_INFINITY;

  constructor(run: CompactionRun, newest: NewestKeys) {
    this.#run = run;
    this.#newest = newest;
  }

  /** Nothing goes for a record at or above. */
  get newestEnd(): Offset {
    return this.#newest.end;
  }

  /** What is left of a batch: itself, if nothing is to be changed. Undefined: nothing but its offsets. */
  async apply(batch: Uint8Array, header: BatchHeader): Promise<Uint8Array | undefined> {
    if (header.baseOffset >= this.#newest.end) return batch;
    if (header.recordsCount === 0) return header.isControl || this.#isWindowed(header) ? batch : undefined;
    if (!hasKeyedRecords(header)) return batch;
    this.#now = this.#run.now();
    const counted = new KeptRecords(header);
    const unfolded = await walkRecords(batch, header, this.#run.pace, (record) => {
      if (this.#keeps(record, header)) counted.keep(record, this.#isNewest(record));
      else if (record.key === undefined) counted.unkeyed += 1;
      else if (record.isTombstone && !this.#isOlder(record, header)) counted.dropTombstone(record);
      return true;
    });
    const { tally, pace } = this.#run;
    if (unfolded === undefined) {
      tally.unreadableBatches += 1;
      return batch;
    }
    tally.unkeyedRecords += counted.unkeyed;
    if (counted.tombstoneEnd > this.tombstoneEnd) this.tombstoneEnd = counted.tombstoneEnd as Offset;
    if (counted.records === 0) return this.#isWindowed(header) ? emptiedBatch(batch) : undefined;
    const deleteHorizonMs = counted.hasTombstone && !counted.isUnsure ? this.#horizonOf(header) : undefined;
    if (counted.records === header.recordsCount && deleteHorizonMs === undefined) return batch;
    const { records: keptRecords, maxTimestamp } = counted;
    const keeps = (record: RecordWalk): boolean => this.#keeps(record, header);
    return rewriteBatch({ batch, header, unfolded, keptRecords, keeps, maxTimestamp, deleteHorizonMs }, pace);
  }

  #keeps(record: RecordWalk, header: BatchHeader): boolean {
    const { keys, end } = this.#newest;
    if (offsetOf(record, header) >= end) return true;
    if (record.key === undefined) return false;
    if (!keys.takes(record.key)) return true;
    if (this.#isOlder(record, header)) return false;
    return !(record.isTombstone && header.hasDeleteHorizon && header.baseTimestamp < this.#now.earliestMs);
  }

  /** Whether what was before a record that is kept is gone for sure. Of a key that no memory takes nothing goes. */
  #isNewest({ key }: RecordWalk): boolean {
    return key !== undefined && this.#newest.keys.takes(key);
  }

  #isOlder(record: RecordWalk, header: BatchHeader): boolean {
    return record.key !== undefined && this.#newest.keys.hasNewer(record.key, offsetOf(record, header));
  }

  /** When the tombstones of a batch may go, if that is to be written into it now. */
  #horizonOf(header: BatchHeader): Millis | undefined {
    if (header.hasDeleteHorizon) {
      this.horizonMs = Math.max(this.horizonMs, header.baseTimestamp);
      return undefined;
    }
    // Of a batch that this pass divides the last tombstones may still have older records before them.
    if (header.nextOffset > this.#newest.end) return undefined;
    const horizonMs = Math.floor(this.#now.latestMs + this.#run.deleteRetentionMs);
    this.horizonMs = Math.max(this.horizonMs, horizonMs);
    return horizonMs;
  }

  /** Whether a producer that is still known may send the batch again, so that a recovery must find its header. */
  #isWindowed({ producerId, baseOffset }: BatchHeader): boolean {
    if (producerId === noProducer || !this.#run.state.producers.knows(producerId)) return false;
    const last = this.#newest.producerBatches.get(producerId) ?? [];
    if (baseOffset >= this.#newest.from) return last.includes(baseOffset);
    return last.length < windowBatches;
  }
}

/** What is known of the records of a batch that are kept. */
class KeptRecords {
  readonly #header: BatchHeader;
  records = 0;
  unkeyed = 0;
  hasTombstone = false;
  /** A tombstone is among them before which older records may have been left. */
  isUnsure = false;
  tombstoneEnd = 0n;
  maxTimestamp: Millis;

  constructor(header: BatchHeader) {
    this.#header = header;
    // A log-append time is that of all records.
    this.maxTimestamp = header.isLogAppendTime ? header.maxTimestamp : Number.NEGATIVE_INFINITY;
  }

  keep(record: RecordWalk, isNewest: boolean): void {
    this.records += 1;
    this.hasTombstone ||= record.isTombstone;
    this.isUnsure ||= record.isTombstone && !isNewest;
    const timestampMs = this.#header.baseTimestamp + record.timestampDelta;
    if (!this.#header.isLogAppendTime && timestampMs > this.maxTimestamp) this.maxTimestamp = timestampMs;
  }

  dropTombstone(record: RecordWalk): void {
    this.tombstoneEnd = offsetOf(record, this.#header) + 1n;
  }
}

const offsetOf = (record: RecordWalk, header: BatchHeader): bigint => header.baseOffset + BigInt(record.offsetDelta);
