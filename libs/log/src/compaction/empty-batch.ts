import { BatchEdit, type BatchHeader, batchBits, headerBytes, noProducer, stampBatch } from '@moldau/records';

// A batch without records keeps a range of offsets. So a compacted log has no gaps: whoever walks it still finds every
// offset, and a missing batch is still told from a removed one. Two kinds: a *hole* stands for any number of neighbours of
// one leader epoch that are gone altogether; an emptied batch keeps the header of one whose producer is still known.

const magic = 2;
const noEpoch = -1;
const noSequence = -1;
const noTimestamp = -1n;
/** Compression and delete horizon say something of records. */
const attributesOfRecords = batchBits.compression | batchBits.deleteHorizon;

/** A batch of no record in [from, next), written under `leaderEpoch`. The span is at most 2^31 offsets. */
export function holeBatch(from: bigint, next: bigint, leaderEpoch: number): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  stampBatch(bytes, 0, from, leaderEpoch);
  const edit = new BatchEdit(bytes);
  edit.magic = magic;
  edit.lastOffsetDelta = Number(next - from) - 1;
  edit.baseTimestamp = noTimestamp;
  edit.maxTimestamp = noTimestamp;
  edit.producerId = noProducer;
  edit.producerEpoch = noEpoch;
  edit.baseSequence = noSequence;
  edit.seal();
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
  const edit = new BatchEdit(bytes);
  edit.attributes &= ~attributesOfRecords;
  edit.recordsCount = 0;
  edit.seal();
  return bytes;
}
