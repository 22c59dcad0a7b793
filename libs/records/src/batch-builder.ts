import { assert } from '@moldau/kernel';
import { headerBytes, lengthPrefixBytes, noProducer } from './batch-header.ts';
import { type Compression, compress, compressions } from './compression.ts';
import { crc32c } from './crc32c.ts';
import { varintBytes, writeVarint } from './varint.ts';

/** A header of a record. A null value is not an empty one. */
export interface RecordHeader {
  readonly name: string;
  readonly value: Uint8Array | null;
}

/** A record to be written. A null value is a tombstone. */
export interface NewRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
  /** Milliseconds since 1970: an integer from 0 to 2^51, so that every difference fits a varint of 53 bits. */
  readonly timestampMs: number;
}

/** Who writes a batch, for the duplicate check. */
export interface Producer {
  readonly id: bigint;
  readonly epoch: number;
  readonly baseSequence: number;
}

const crcFrom = 21;
const noHeaders: readonly RecordHeader[] = [];

/**
 * Encodes records into one batch as they come; nothing is encoded twice, and an uncompressed batch is never copied.
 * A builder makes one batch.
 */
export class BatchBuilder {
  #bytes: Buffer;
  #end = headerBytes;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  /** `room`: where it encodes, or how many bytes the batch is likely to take; it takes another one when that is too little. */
  constructor(room: Buffer | number = 16 * 1024) {
    this.#bytes = typeof room === 'number' ? Buffer.allocUnsafeSlow(Math.max(room, headerBytes)) : room;
  }

  /** Where it has encoded. An uncompressed batch lies in it. */
  get room(): Buffer {
    return this.#bytes;
  }

  /** Records so far. */
  get count(): number {
    return this.#count;
  }

  /** Bytes so far, uncompressed, with the header. */
  get sizeBytes(): number {
    return this.#end;
  }

  add(record: NewRecord): void {
    const { key, value, timestampMs, headers = noHeaders } = record;
    if (this.#count === 0) {
      this.#baseTimestamp = timestampMs;
      this.#maxTimestamp = timestampMs;
    } else if (timestampMs > this.#maxTimestamp) {
      this.#maxTimestamp = timestampMs;
    }
    const timestampDelta = timestampMs - this.#baseTimestamp;
    let bodyBytes =
      1 +
      varintBytes(timestampDelta) +
      varintBytes(this.#count) +
      fieldBytes(key) +
      fieldBytes(value) +
      varintBytes(headers.length);
    for (const header of headers) {
      const nameBytes = Buffer.byteLength(header.name);
      bodyBytes += varintBytes(nameBytes) + nameBytes + fieldBytes(header.value);
    }
    this.#reserve(varintBytes(bodyBytes) + bodyBytes);
    const bytes = this.#bytes;
    let at = writeVarint(bytes, this.#end, bodyBytes);
    bytes[at] = 0;
    at = writeVarint(bytes, at + 1, timestampDelta);
    at = writeVarint(bytes, at, this.#count);
    at = writeField(bytes, at, key);
    at = writeField(bytes, at, value);
    at = writeVarint(bytes, at, headers.length);
    for (const header of headers) {
      at = writeVarint(bytes, at, Buffer.byteLength(header.name));
      at += bytes.write(header.name, at);
      at = writeField(bytes, at, header.value);
    }
    this.#end = at;
    this.#count += 1;
  }

  /** The batch, with base offset 0 and leader epoch -1 until a leader stamps it. Ends the builder. */
  build(compression: Compression = 'none', producer?: Producer): Uint8Array {
    assert(this.#count > 0, 'a batch has a record');
    const batch = this.#compressed(compression);
    batch.writeBigInt64BE(0n, 0);
    batch.writeInt32BE(batch.length - lengthPrefixBytes, 8);
    batch.writeInt32BE(-1, 12);
    batch.writeInt8(2, 16);
    batch.writeInt16BE(compressions.indexOf(compression), 21);
    batch.writeInt32BE(this.#count - 1, 23);
    batch.writeBigInt64BE(BigInt(this.#baseTimestamp), 27);
    batch.writeBigInt64BE(BigInt(this.#maxTimestamp), 35);
    writeProducer(batch, producer);
    batch.writeInt32BE(this.#count, 57);
    batch.writeUInt32BE(crc32c(batch.subarray(crcFrom)), 17);
    return batch;
  }

  #compressed(compression: Compression): Buffer {
    if (compression === 'none') return this.#bytes.subarray(0, this.#end);
    const records = compress(compression, this.#bytes.subarray(headerBytes, this.#end));
    const batch = Buffer.allocUnsafeSlow(headerBytes + records.length);
    batch.set(records, headerBytes);
    return batch;
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }
}

const fieldBytes = (field: Uint8Array | null): number =>
  field === null ? 1 : varintBytes(field.length) + field.length;

function writeField(target: Buffer, at: number, field: Uint8Array | null): number {
  if (field === null) return writeVarint(target, at, -1);
  const start = writeVarint(target, at, field.length);
  target.set(field, start);
  return start + field.length;
}

/** Gives a built batch another producer, in place. */
export function reassignProducer(batch: Uint8Array, producer: Producer): void {
  const bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength);
  writeProducer(bytes, producer);
  bytes.writeUInt32BE(crc32c(bytes.subarray(crcFrom)), 17);
}

function writeProducer(batch: Buffer, producer: Producer | undefined): void {
  batch.writeBigInt64BE(producer?.id ?? noProducer, 43);
  batch.writeInt16BE(producer?.epoch ?? -1, 51);
  batch.writeInt32BE(producer?.baseSequence ?? -1, 53);
}
