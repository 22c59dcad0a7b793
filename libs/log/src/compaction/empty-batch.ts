import { type BatchHeader, crc32c, headerBytes, lengthPrefixBytes, noProducer } from '@moldau/records';

// A batch without records keeps a range of offsets. So a compacted log has no gaps: whoever walks it still finds every
// offset, and a missing batch is still told from a removed one. Two kinds: a *hole* stands for any number of neighbours of
// one leader epoch that are gone altogether; an emptied batch keeps the header of one whose producer is still known.

const attributesAt = 21;
const countAt = 57;
const crcAt = 17;
const magic = 2;
const noEpoch = -1;
const noSequence = -1;
const noTimestamp = -1n;
/** Compression and delete horizon say something of records. */
const attributesOfRecords = 0x47;

/** A batch of no record in [from, next), written under `leaderEpoch`. The span is at most 2^31 offsets. */
export function holeBatch(from: bigint, next: bigint, leaderEpoch: number): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, from);
  view.setInt32(8, headerBytes - lengthPrefixBytes);
  view.setInt32(12, leaderEpoch);
  view.setInt8(16, magic);
  view.setInt32(23, Number(next - from) - 1);
  view.setBigInt64(27, noTimestamp);
  view.setBigInt64(35, noTimestamp);
  view.setBigInt64(43, noProducer);
  view.setInt16(51, noEpoch);
  view.setInt32(53, noSequence);
  view.setUint32(crcAt, crc32c(bytes.subarray(attributesAt)));
  return bytes;
}

/** Whether nothing of a batch is worth keeping but its offsets. */
export const isHole = (header: BatchHeader): boolean =>
  header.recordsCount === 0 && header.producerId === noProducer && !header.isControl;

/** Whether compaction has changed a batch. As it was appended it has a record for each of its offsets. */
export const isCompacted = (header: BatchHeader): boolean =>
  header.hasDeleteHorizon || header.recordsCount !== header.lastOffsetDelta + 1;

/** The batch without its records: offsets, epoch, producer, sequence and times stay. */
export function emptiedBatch(batch: Uint8Array): Uint8Array {
  const bytes = batch.slice(0, headerBytes);
  const view = new DataView(bytes.buffer);
  view.setInt32(8, headerBytes - lengthPrefixBytes);
  view.setInt16(attributesAt, view.getInt16(attributesAt) & ~attributesOfRecords);
  view.setInt32(countAt, 0);
  view.setUint32(crcAt, crc32c(bytes.subarray(attributesAt)));
  return bytes;
}
