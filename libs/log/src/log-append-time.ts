import type { Millis } from '@moldau/kernel';
import { crc32c } from '@moldau/records';

const attributesAt = 21;
const maxTimestampAt = 35;
const crcAt = 17;
const logAppendTimeBit = 0x08;

/** Gives the batch at `at` the leader's time: readers then take it for every record. It lies inside the CRC. */
export function stampLogAppendTime(bytes: Uint8Array, at: number, sizeBytes: number, nowMs: Millis): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, sizeBytes);
  view.setInt16(attributesAt, view.getInt16(attributesAt) | logAppendTimeBit);
  view.setBigInt64(maxTimestampAt, BigInt(nowMs));
  view.setUint32(crcAt, crc32c(bytes.subarray(at + attributesAt, at + sizeBytes)));
}
