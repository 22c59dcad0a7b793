import { faults, type Offset } from '@moldau/kernel';
import type { RecordHeader } from './batch-builder.ts';
import { BatchHeader, headerBytes } from './batch-header.ts';
import { compressionOf, decompress } from './compression.ts';
import { VarintReader } from './varint.ts';

/** A record that was read. Key, value and header values are views of the batch. */
export interface StoredRecord {
  readonly offset: Offset;
  /** Milliseconds since 1970: as the producer gave it, or the log-append time where the topic stamps that. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** No batch unfolds to more than this, unless the reader says otherwise: a bomb ends here. */
export const defaultMaxUnfoldedBytes = 64 * 1024 * 1024;

const noHeaders: readonly RecordHeader[] = [];
// Shorter than this no record can be: length, attributes, two deltas, two null fields, no header.
const minRecordBytes = 7;

/**
 * Decodes the records of one whole batch. Throws CORRUPT_BATCH when they do not agree with the header, or unfold to more
 * than `maxUnfoldedBytes`. Does not check the CRC: the node that sent the batch has, and the transport is reliable.
 */
export function readRecords(batch: Uint8Array, maxUnfoldedBytes = defaultMaxUnfoldedBytes): StoredRecord[] {
  const reader = openBatch(batch, maxUnfoldedBytes);
  const records: StoredRecord[] = [];
  while (reader.left > 0) records.push(reader.next());
  return records;
}

/** The same, one at a time: for whoever must not hold what may be millions of tiny records. */
export function* iterateRecords(batch: Uint8Array, maxUnfoldedBytes: number): Generator<StoredRecord> {
  const reader = openBatch(batch, maxUnfoldedBytes);
  while (reader.left > 0) yield reader.next();
}

/** Opens one whole batch, to be read record by record. Throws CORRUPT_BATCH as {@link readRecords} does. */
export function openBatch(batch: Uint8Array, maxUnfoldedBytes = defaultMaxUnfoldedBytes): RecordReader {
  const header = new BatchHeader(batch);
  const compression = compressionOf(header.compressionCode);
  if (compression === undefined) throw faults.corruptBatch(`unknown compression ${header.compressionCode}`);
  const body = decompress(compression, batch.subarray(headerBytes, header.sizeBytes), maxUnfoldedBytes);
  const count = header.recordsCount;
  if (count < 0 || count > body.length / minRecordBytes) {
    throw faults.corruptBatch(`it claims ${count} records in ${body.length} bytes`);
  }
  if (count === 0 && body.length > 0) throw faults.corruptBatch('bytes are left behind its 0 records');
  return new RecordReader(body, header);
}

/** Decodes the records of a batch as they are asked for. It is the record that it stands at itself: whoever keeps one copies it. */
export class RecordReader implements StoredRecord {
  offset = 0n as Offset;
  timestampMs = 0;
  key: Uint8Array | null = null;
  value: Uint8Array | null = null;
  headers: readonly RecordHeader[] = noHeaders;
  readonly #bytes: Uint8Array;
  readonly #buffer: ArrayBufferLike;
  readonly #bufferOffset: number;
  #left: number;
  #previousDelta = -1;
  readonly #varints: VarintReader;
  readonly #baseOffset: bigint;
  readonly #lastDelta: number;
  readonly #baseTimestamp: number;
  readonly #appendTime: number | undefined;

  constructor(bytes: Uint8Array, header: BatchHeader) {
    this.#bytes = bytes;
    this.#buffer = bytes.buffer;
    this.#bufferOffset = bytes.byteOffset;
    this.#left = header.recordsCount;
    this.#varints = new VarintReader(bytes, 0);
    this.#baseOffset = header.baseOffset;
    this.#lastDelta = header.lastOffsetDelta;
    this.#baseTimestamp = header.baseTimestamp;
    this.#appendTime = header.isLogAppendTime ? header.maxTimestamp : undefined;
  }

  /** Records that are still to come. */
  get left(): number {
    return this.#left;
  }

  /** The next record, to be kept. Throws as `advance` does. */
  next(): StoredRecord {
    this.advance();
    const { offset, timestampMs, key, value, headers } = this;
    return { offset, timestampMs, key, value, headers };
  }

  /** Goes to the next record. Throws CORRUPT_BATCH, also when bytes are left behind the last one. */
  advance(): void {
    if (!this.#advancePlain()) this.#advanceAny();
  }

  /**
   * Goes to the next record if it is like nearly all: without headers, the numbers in it short. The same as `#advanceAny` in one
   * piece, which takes half the time. False: it is another one, or damaged; nothing has changed.
   */
  #advancePlain(): boolean {
    const bytes = this.#bytes;
    let at = this.#varints.position;
    // A number of one or two bytes; what lies behind the end of the batch is 0, and found by the length.
    let coded = bytes[at] ?? 0;
    at += 1;
    if (coded >= 0x80) {
      const second = bytes[at] ?? 0;
      if (second >= 0x80) return false;
      coded = (coded & 0x7f) | (second << 7);
      at += 1;
    }
    const end = at + (coded >>> 1);
    if ((coded & 1) !== 0 || end > bytes.length) return false;
    at += 1;
    let timestampDelta = bytes[at] ?? 0;
    at += 1;
    if (timestampDelta >= 0x80) {
      const second = bytes[at] ?? 0;
      if (second >= 0x80) return false;
      timestampDelta = (timestampDelta & 0x7f) | (second << 7);
      at += 1;
    }
    let offsetDelta = bytes[at] ?? 0;
    at += 1;
    if (offsetDelta >= 0x80) {
      const second = bytes[at] ?? 0;
      offsetDelta = (offsetDelta & 0x7f) | ((second & 0x7f) << 7);
      at += 1;
      if (second >= 0x80) {
        const third = bytes[at] ?? 0;
        if (third >= 0x80) return false;
        offsetDelta |= third << 14;
        at += 1;
      }
    }
    const keyAt = at;
    const keyCoded = bytes[at] ?? 0;
    if (keyCoded >= 0x80) return false;
    at += keyCoded === 1 ? 1 : 1 + (keyCoded >>> 1);
    let valueCoded = bytes[at] ?? 0;
    at += 1;
    if (valueCoded >= 0x80) {
      const second = bytes[at] ?? 0;
      if (second >= 0x80) return false;
      valueCoded = (valueCoded & 0x7f) | (second << 7);
      at += 1;
    }
    const valueAt = at;
    at += valueCoded === 1 ? 0 : valueCoded >>> 1;
    const isPlain = ((keyCoded & 1) === 0 || keyCoded === 1) && ((valueCoded & 1) === 0 || valueCoded === 1);
    // One byte is left: no headers.
    if (!isPlain || at + 1 !== end || bytes[at] !== 0) return false;
    const delta = offsetDelta >>> 1;
    if ((offsetDelta & 1) !== 0 || delta <= this.#previousDelta || delta > this.#lastDelta) return false;
    if (this.#left === 1 && end !== bytes.length) return false;
    this.#previousDelta = delta;
    this.key = keyCoded === 1 ? null : this.#view(keyAt + 1, keyCoded >>> 1);
    this.value = valueCoded === 1 ? null : this.#view(valueAt, valueCoded >>> 1);
    this.headers = noHeaders;
    this.#left -= 1;
    this.offset = (this.#baseOffset + BigInt(delta)) as Offset;
    this.timestampMs = this.#appendTime ?? this.#baseTimestamp + ((timestampDelta >>> 1) ^ -(timestampDelta & 1));
    this.#varints.position = end;
    return true;
  }

  #advanceAny(): void {
    const varints = this.#varints;
    const length = varints.next();
    const end = varints.position + length;
    if (!(length > 0) || end > this.#bytes.length)
      throw faults.corruptBatch(`a record of ${length} bytes does not fit`);
    varints.position += 1;
    const timestampDelta = varints.next();
    const offsetDelta = varints.next();
    if (Number.isNaN(timestampDelta) || !(offsetDelta > this.#previousDelta && offsetDelta <= this.#lastDelta)) {
      throw faults.corruptBatch(`a record with offset delta ${offsetDelta} of ${this.#lastDelta}`);
    }
    this.#previousDelta = offsetDelta;
    this.key = this.#field('key');
    this.value = this.#field('value');
    this.headers = this.#headers();
    if (varints.position !== end) throw faults.corruptBatch('a record whose fields do not fill its length');
    this.#left -= 1;
    if (this.#left === 0 && end !== this.#bytes.length) {
      throw faults.corruptBatch('bytes are left behind its last record');
    }
    this.offset = (this.#baseOffset + BigInt(offsetDelta)) as Offset;
    this.timestampMs = this.#appendTime ?? this.#baseTimestamp + timestampDelta;
  }

  #headers(): readonly RecordHeader[] {
    const count = this.#varints.next();
    if (count === 0) return noHeaders;
    if (!(count > 0) || count > this.#bytes.length) throw faults.corruptBatch(`a record with ${count} headers`);
    const headers: RecordHeader[] = [];
    for (let i = 0; i < count; i += 1) {
      const name = this.#field('header name');
      if (name === null) throw faults.corruptBatch('a header without a name');
      headers.push({ name: Buffer.from(name).toString(), value: this.#field('header value') });
    }
    return headers;
  }

  #field(what: string): Uint8Array | null {
    const length = this.#varints.next();
    if (length === -1) return null;
    const start = this.#varints.position;
    const end = start + length;
    if (!(length >= 0) || end > this.#bytes.length)
      throw faults.corruptBatch(`a ${what} of ${length} bytes does not fit`);
    this.#varints.position = end;
    return this.#view(start, length);
  }

  /** Not `subarray`, which takes twice as long. */
  #view(start: number, length: number): Uint8Array {
    return new Uint8Array(this.#buffer, this.#bufferOffset + start, length);
  }
}
