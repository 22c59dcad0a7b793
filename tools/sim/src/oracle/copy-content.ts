import { FileError, MoldauError, type Offset } from '@moldau/kernel';
import type { PartitionLog } from '@moldau/log';
import { BatchHeader, readRecords } from '@moldau/records';

const readBytes = 256 * 1024;
const utf8 = new TextDecoder();

/** What one copy holds, whether it is committed or not. */
export interface CopyContent {
  readonly logStart: Offset;
  /** As the copy knows it. */
  readonly highWatermark: Offset;
  /** Where each key stands, in this order. */
  readonly offsets: ReadonlyMap<string, readonly bigint[]>;
}

/** Reads all of a copy. `undefined`: it is damaged, was changed otherwise meanwhile, or its disk has failed. */
export async function copyContent(log: PartitionLog): Promise<CopyContent | undefined> {
  const { logStart, highWatermark } = log;
  const offsets = new Map<string, bigint[]>();
  try {
    for (let next: Offset = logStart; next < log.writtenEnd; ) {
      const { chunks, nextOffset, sizeBytes } = await log.read(next, { maxBytes: readBytes, below: log.writtenEnd });
      if (sizeBytes === 0) break;
      for (const chunk of chunks) noteKeys(chunk, offsets);
      next = nextOffset;
    }
  } catch (error) {
    if (error instanceof MoldauError || error instanceof FileError) return undefined;
    throw error;
  }
  // A copy that has begun anew holds what was there before no more.
  return log.logStart === logStart && log.highWatermark >= highWatermark
    ? { logStart, highWatermark, offsets }
    : undefined;
}

function noteKeys(chunk: Uint8Array, offsets: Map<string, bigint[]>): void {
  for (let at = 0; at < chunk.length; ) {
    const header = new BatchHeader(chunk, at);
    const batch = chunk.subarray(at, at + header.sizeBytes);
    for (const { key, offset } of header.isControl ? [] : readRecords(batch)) {
      const name = utf8.decode(key ?? new Uint8Array(0));
      const known = offsets.get(name);
      if (known === undefined) offsets.set(name, [offset]);
      else known.push(offset);
    }
    at += header.sizeBytes;
  }
}
