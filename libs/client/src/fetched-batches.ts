import { BatchHeader, openBatch, type RecordReader, type StoredRecord } from '@moldau/records';

/** Batches of one partition that came together, and what of them was asked for. */
export interface FetchedBatches {
  readonly batches: Uint8Array;
  /** The first offset that is wanted: the server begins with the whole batch that holds it. */
  readonly from: bigint;
  /** The offset behind them. */
  readonly to: bigint;
  /** The first one that is not wanted. `undefined`: all are. */
  readonly until: bigint | undefined;
}

/**
 * Decodes them, a record at a time as they are asked for: what is read ahead stays as small as it came, however far it
 * unfolds. Each record once, in order.
 */
export class FetchedRecords {
  readonly #fetched: FetchedBatches;
  /** What is asked for of the batch that is open, and of the one behind it. */
  #floor: bigint;
  #nextFloor: bigint;
  #at = 0;
  #reader: RecordReader | undefined;
  /** The open batch holds what was not asked for, too. */
  #isPartly = false;

  constructor(fetched: FetchedBatches) {
    this.#fetched = fetched;
    this.#floor = fetched.from;
    this.#nextFloor = fetched.from;
  }

  /** The next record, until the one after that is asked for. `undefined`: there is none left. Throws CORRUPT_BATCH; the next call goes on behind that batch. */
  next(): StoredRecord | undefined {
    for (;;) {
      const reader = this.#reader ?? this.#open();
      if (reader === undefined) return undefined;
      // Should it throw, the batch is done with.
      this.#reader = undefined;
      while (reader.left > 0) {
        reader.advance();
        if (this.#isPartly && !this.#isWanted(reader)) continue;
        if (reader.left > 0) this.#reader = reader;
        return reader;
      }
    }
  }

  /** Whether everything was given that was asked for. */
  get isEmpty(): boolean {
    return this.#reader === undefined && this.#at >= this.#fetched.batches.length;
  }

  #isWanted({ offset }: StoredRecord): boolean {
    const { until } = this.#fetched;
    return offset >= this.#floor && (until === undefined || offset < until);
  }

  /** The next batch that may hold records that were asked for. */
  #open(): RecordReader | undefined {
    const { batches, until } = this.#fetched;
    while (this.#at < batches.length) {
      const at = this.#at;
      const header = new BatchHeader(batches, at);
      this.#at = at + header.sizeBytes;
      this.#floor = this.#nextFloor;
      if (header.nextOffset > this.#nextFloor) this.#nextFloor = header.nextOffset;
      if (!holdsRecords(header, this.#floor, until)) continue;
      this.#isPartly = header.baseOffset < this.#floor || (until !== undefined && header.nextOffset > until);
      return openBatch(batches.subarray(at, this.#at));
    }
    return undefined;
  }
}

/** Whether records may be in it that were asked for, by its header. */
export const holdsRecords = (header: BatchHeader, from: bigint, until: bigint | undefined): boolean =>
  !header.isControl && header.nextOffset > from && (until === undefined || header.baseOffset < until);
