import { hasReason } from '@moldau/kernel';
import { type BatchHeader, compressionOf, decompress, defaultMaxUnfoldedBytes, headerBytes } from '@moldau/records';
import type { Pace } from './pace.ts';
import { RecordWalk } from './record-walk.ts';

const recordsBetweenPauses = 1_024;

/** The unfolded records of a batch. Throws CORRUPT_BATCH when they unfold to more than any reader takes. */
export function unfold(batch: Uint8Array, header: BatchHeader): Uint8Array {
  const compression = compressionOf(header.compressionCode) ?? 'none';
  return decompress(compression, batch.subarray(headerBytes), defaultMaxUnfoldedBytes);
}

/**
 * Passes the records of a batch to `visit`, which returns false to end. Returns the unfolded bytes; undefined when they are no
 * records: nobody has looked at them when they were appended.
 */
export async function walkRecords(
  batch: Uint8Array,
  header: BatchHeader,
  pace: Pace,
  visit: (record: RecordWalk) => boolean,
): Promise<Uint8Array | undefined> {
  try {
    const unfolded = unfold(batch, header);
    const record = new RecordWalk(unfolded, header.recordsCount, header.lastOffsetDelta);
    for (let count = 1; record.advance(); count += 1) {
      if (!visit(record)) return unfolded;
      if (count % recordsBetweenPauses === 0) await pace.breathe();
    }
    return unfolded;
  } catch (error) {
    if (hasReason(error, 'CORRUPT_BATCH')) return undefined;
    throw error;
  }
}

/** Whether a batch has records that compaction looks at. Those of a server, and of transactions, stay as they are. */
export const hasKeyedRecords = (header: BatchHeader): boolean =>
  header.recordsCount > 0 && !header.isControl && !header.isTransactional;
