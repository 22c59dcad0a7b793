import { crc32c, headerBytes } from '@moldau/records';

export interface TestBatch {
  readonly records?: number;
  readonly payloadBytes?: number;
  readonly fill?: number;
  readonly timestampMs?: number;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly sequence?: number;
  readonly attributes?: number;
  readonly recordsCount?: number;
}

/** A batch whose header and CRC are right, and whose records are mere bytes: the engine never looks into them. */
export function testBatch(options: TestBatch = {}): Uint8Array {
  const { records = 1, payloadBytes = 20, fill = 7, timestampMs = 1_893_456_000_000 } = options;
  const bytes = new Uint8Array(headerBytes + payloadBytes).fill(fill, headerBytes);
  const view = new DataView(bytes.buffer);
  view.setInt32(8, bytes.length - 12);
  view.setInt32(12, -1);
  view.setInt8(16, 2);
  view.setInt16(21, options.attributes ?? 0);
  view.setInt32(23, records - 1);
  view.setBigInt64(27, BigInt(timestampMs));
  view.setBigInt64(35, BigInt(timestampMs));
  view.setBigInt64(43, options.producerId ?? -1n);
  view.setInt16(51, options.producerEpoch ?? -1);
  view.setInt32(53, options.sequence ?? -1);
  view.setInt32(57, options.recordsCount ?? records);
  view.setUint32(17, crc32c(bytes.subarray(21)));
  return bytes;
}

/** Several batches as one entry. */
export const together = (...batches: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(batches));
