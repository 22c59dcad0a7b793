import { BatchHeader, readRecords, type StoredRecord } from '@moldau/records';

/** Batches of one partition that came together, and what of them was asked for. */
export interface FetchedBatches {
  readonly batches: Uint8Array;
  /** The first offset that is wanted: the server begins with the whole batch that holds it. */
  readonly from: bigint;
  /** The offset behind them. */
  readonly to: bigint;
  /** The first one that is not wanted. `undefined`: all are. */
  readonly until: bigint | undefined;
}

/**
 * Decodes them, a batch at a time as they are asked for: what is read ahead stays as small as it came, however far it
 * unfolds. Each record once, in order. Throws CORRUPT_BATCH.
 */
export function* recordsIn({ batches, from, until }: FetchedBatches): Generator<StoredRecord> {
  let floor = from;
  for (let at = 0; at < batches.length; ) {
    const header = new BatchHeader(batches, at);
    const isWanted = holdsRecords(header, floor, until);
    if (isWanted) {
      for (const record of readRecords(batches.subarray(at, at + header.sizeBytes))) {
        if (record.offset >= floor && (until === undefined || record.offset < until)) yield record;
      }
    }
    if (header.nextOffset > floor) floor = header.nextOffset;
    at += header.sizeBytes;
  }
}

/** Whether records may be in it that were asked for, by its header. */
export const holdsRecords = (header: BatchHeader, from: bigint, until: bigint | undefined): boolean =>
  !header.isControl && header.nextOffset > from && (until === undefined || header.baseOffset < until);
