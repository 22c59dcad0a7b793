import type { Millis } from '@moldau/kernel';
import { BatchEdit, batchBits } from '@moldau/records';

/** Gives the batch at `at` the leader's time: readers then take it for every record. It lies inside the CRC. */
export function stampLogAppendTime(bytes: Uint8Array, at: number, sizeBytes: number, nowMs: Millis): void {
  const edit = new BatchEdit(bytes.subarray(at, at + sizeBytes));
  edit.attributes |= batchBits.logAppendTime;
  edit.maxTimestamp = BigInt(nowMs);
  edit.seal();
}
