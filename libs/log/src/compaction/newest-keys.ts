import type { Offset } from '@moldau/kernel';
import { noProducer } from '@moldau/records';
import { loadIndex } from '../index-cache.ts';
import { windowBatches } from '../producers/producer-window.ts';
import type { Segment } from '../segment.ts';
import { hasKeyedRecords, walkRecords } from './batch-records.ts';
import type { CompactionRun } from './compaction-run.ts';
import { KeyOffsets } from './key-offsets.ts';
import { walkSealed } from './sealed-walk.ts';

/** For a byte of log, so that small ones take little. What unfolds to more takes more passes. */
const memoryPerByte = 16;
const memoryBytesMin = 1024 * 1024;

/** What one pass over a log knows of its newest part. */
export interface NewestKeys {
  readonly keys: KeyOffsets;
  /** Where that part begins: below it each key stands once at most. */
  readonly from: Offset;
  /** Where it ends: the newest record of each key below is known. */
  readonly end: Offset;
  /** The first offsets of the last batches that each producer has written in it, oldest first. */
  readonly producerBatches: ReadonlyMap<bigint, readonly bigint[]>;
}

/** Reads the keys of [from, the end of the last of `segments`), or of as much of it as fits the memory. */
export async function newestKeys(run: CompactionRun, segments: readonly Segment[], from: Offset): Promise<NewestKeys> {
  const newBytes = segments.reduce((sum, { nextOffset, sizeBytes }) => sum + (nextOffset > from ? sizeBytes : 0), 0);
  const wantedBytes = Math.max(memoryBytesMin, newBytes * memoryPerByte);
  const keys = new KeyOffsets(from, Math.min(run.keyMemoryBytes, wantedBytes));
  const producerBatches = new Map<bigint, bigint[]>();
  let end = from;
  let isFull = false;
  for (const segment of segments) {
    if (segment.nextOffset <= from || isFull) continue;
    const index = await loadIndex(run.context, segment);
    if (!segment.removed) run.context.indexes.touch(segment);
    const start = index.placeOf(from > segment.baseOffset ? from : segment.baseOffset);
    await walkSealed(run, segment, start, async ({ header, bytes, at, sizeBytes }) => {
      if (header.nextOffset <= from) return true;
      if (header.producerId !== noProducer) noteBatch(producerBatches, header.producerId, header.baseOffset);
      if (hasKeyedRecords(header)) {
        await walkRecords(bytes.subarray(at, at + sizeBytes), header, run.pace, (record) => {
          const offset = header.baseOffset + BigInt(record.offsetDelta);
          if (offset < from || record.key === undefined || !keys.takes(record.key)) return true;
          isFull = !keys.put(record.key, offset);
          if (isFull) end = offset as Offset;
          return !isFull;
        });
      }
      if (!isFull) end = header.nextOffset as Offset;
      return !isFull;
    });
  }
  return { keys, from, end, producerBatches };
}

function noteBatch(batches: Map<bigint, bigint[]>, producer: bigint, base: bigint): void {
  const known = batches.get(producer);
  if (known === undefined) batches.set(producer, [base]);
  else {
    known.push(base);
    if (known.length > windowBatches) known.shift();
  }
}
