import { faults } from '@moldau/kernel';
import { VarintReader } from '@moldau/records/varint';

/**
 * Walks the unfolded records of a batch as bytes: where each begins and ends, its key, and whether it is a tombstone. It is
 * the record that it stands at itself.
 */
export class RecordWalk {
  readonly bytes: Uint8Array;
  readonly #varints: VarintReader;
  readonly #lastOffsetDelta: number;
  #left: number;
  /** Where the record begins, with its length. */
  start = 0;
  /** Where it ends. */
  end = 0;
  /** Where its offset delta begins: from there on nothing depends on the batch's time. */
  restAt = 0;
  attributes = 0;
  timestampDelta = 0;
  offsetDelta = -1;
  key: Uint8Array | undefined;
  isTombstone = false;

  constructor(bytes: Uint8Array, recordsCount: number, lastOffsetDelta: number) {
    this.bytes = bytes;
    this.#varints = new VarintReader(bytes, 0);
    this.#left = recordsCount;
    this.#lastOffsetDelta = lastOffsetDelta;
  }

  /** Goes to the next record; false: there is none left. Throws CORRUPT_BATCH when the bytes are no records. */
  advance(): boolean {
    if (this.#left === 0) {
      if (this.end !== this.bytes.length) throw faults.corruptBatch('bytes are left behind its last record');
      return false;
    }
    const varints = this.#varints;
    this.start = this.end;
    varints.position = this.start;
    const length = varints.next();
    this.end = varints.position + length;
    if (!(length > 0) || this.end > this.bytes.length) {
      throw faults.corruptBatch(`a record of ${length} bytes does not fit`);
    }
    this.attributes = this.bytes[varints.position] ?? 0;
    varints.position += 1;
    this.timestampDelta = varints.next();
    this.restAt = varints.position;
    const offsetDelta = varints.next();
    const isNext = offsetDelta > this.offsetDelta && offsetDelta <= this.#lastOffsetDelta;
    if (Number.isNaN(this.timestampDelta) || !isNext) throw faults.corruptBatch('a record out of its place');
    this.offsetDelta = offsetDelta;
    this.key = this.#key();
    this.isTombstone = varints.next() === -1;
    if (varints.position > this.end) throw faults.corruptBatch('a record whose fields do not fill its length');
    this.#left -= 1;
    return true;
  }

  #key(): Uint8Array | undefined {
    const length = this.#varints.next();
    if (length === -1) return undefined;
    const start = this.#varints.position;
    if (!(length >= 0) || start + length > this.end) throw faults.corruptBatch(`a key of ${length} bytes does not fit`);
    this.#varints.position = start + length;
    return this.bytes.subarray(start, start + length);
  }
}
