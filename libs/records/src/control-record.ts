import { BatchBuilder } from './batch-builder.ts';
import { BatchEdit } from './batch-edit.ts';
import { BatchHeader, batchBits, headerBytes } from './batch-header.ts';

// A control batch (attribute bit 5) holds one record that speaks to the partition and to no reader, uncompressed:
//
//   key    version i16 = 0 · type i16                                                (Kafka's layout)
//   value  of type 100, a fencing token: version i16 = 0 · token i64
//
// Kafka has given out 0 (abort), 1 (commit) and a few above; ours begin at 100. A record of another type or version says
// nothing to us, and keeps its offset.

const fencingTokenType = 100;
const keyBytes = 4;
const valueBytes = 10;

/** The whole record up to the token: length, attributes, both deltas, key length, key, value length, version; varints are zig-zag. */
const tokenRecordHead = Buffer.from([40, 0, 0, 0, 2 * keyBytes, 0, 0, 0, fencingTokenType, 2 * valueBytes, 0, 0]);
/** A batch that raises a token: behind that stands the count of headers, none. */
export const tokenBatchBytes = headerBytes + tokenRecordHead.length + 8 + 1;

/** A control batch that raises the partition's fencing token. To be stamped by its leader, as every batch is. */
export function fencingTokenBatch(token: bigint, timestampMs: number): Uint8Array {
  const key = Buffer.alloc(keyBytes);
  key.writeInt16BE(fencingTokenType, 2);
  const value = Buffer.alloc(valueBytes);
  value.writeBigInt64BE(token, 2);
  const builder = new BatchBuilder(tokenBatchBytes);
  builder.add({ key, value, timestampMs });
  const batch = builder.build();
  const edit = new BatchEdit(batch);
  edit.attributes = batchBits.control;
  edit.seal();
  return batch;
}

/** The fencing token that the whole batch at `at` raises; undefined: it raises none. */
export function fencingTokenOf(bytes: Uint8Array, at: number): bigint | undefined {
  const header = new BatchHeader(bytes, at);
  if (!header.isControl || header.sizeBytes !== tokenBatchBytes) return undefined;
  const tokenAt = at + headerBytes + tokenRecordHead.length;
  if (Buffer.compare(bytes.subarray(at + headerBytes, tokenAt), tokenRecordHead) !== 0) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset + tokenAt, 8).getBigInt64(0);
}
