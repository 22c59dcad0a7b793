import { BatchHeader } from '@moldau/records';
import { walkBatches } from './batch-walk.ts';
import type { DirectoryContext } from './directory-context.ts';
import type { Segment } from './segment.ts';
import { SegmentIndex } from './segment-index.ts';
import { readFile, replaceRebuildable } from './small-files.ts';

const keptMax = 256;
const rebuildWindowBytes = 512 * 1024;

/** The loaded indexes of segments that are not being appended to; the least recently used one goes first. */
export class IndexCache {
  readonly #kept = new Set<Segment>();

  /** The segment was used: its index stays, another one may go. The one of an active segment is never kept here. */
  touch(segment: Segment): void {
    this.#kept.delete(segment);
    this.#kept.add(segment);
    if (this.#kept.size <= keptMax) return;
    for (const oldest of this.#kept) {
      oldest.index = undefined;
      this.#kept.delete(oldest);
      return;
    }
  }

  /** The segment is appended to, or gone: its index is its own affair. */
  forget(segment: Segment): void {
    this.#kept.delete(segment);
  }
}

/** The index of a segment: the one in memory, or the one on disk, walked up to the segment's end. */
export async function loadIndex(context: DirectoryContext, segment: Segment): Promise<SegmentIndex> {
  if (segment.index !== undefined) return segment.index;
  const bytes = await readFile(context.fs, segment.indexPath);
  const found = bytes && SegmentIndex.decode(bytes, segment.baseOffset, segment.sizeBytes);
  const index = found ?? new SegmentIndex(segment.baseOffset);
  await context.readers.use(segment.path, (file) =>
    walkBatches(
      {
        read: (position, target) => file.read(position, target),
        position: index.coveredBytes,
        endPosition: segment.sizeBytes,
        offset: index.coveredOffset,
        checkCrc: false,
        windowBytes: rebuildWindowBytes,
      },
      ({ header, sizeBytes }) => {
        index.add(header.baseOffset, header.nextOffset, sizeBytes, header.maxTimestamp);
        return true;
      },
    ),
  );
  segment.index ??= index;
  return segment.index;
}

/** Writes a segment's index beside it. */
export async function saveIndex(context: DirectoryContext, segment: Segment): Promise<void> {
  if (segment.index === undefined) return;
  await replaceRebuildable(context.fs, segment.indexPath, segment.index.encode());
}

/** Takes freshly written bytes into an index. */
export function indexBatches(index: SegmentIndex, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const header = new BatchHeader(bytes, at);
    index.add(header.baseOffset, header.nextOffset, header.sizeBytes, header.maxTimestamp);
    at += header.sizeBytes;
  }
}
