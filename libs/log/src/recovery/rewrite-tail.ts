import type { DirectoryContext } from '../directory-context.ts';
import type { FilePlace, LogState } from '../log-state.ts';
import { Segment } from '../segment.ts';
import { removeSegment } from '../segment-files.ts';
import type { GoodPiece } from './scan-tail.ts';

// After an unclean stop nobody knows whether what lies above the checkpoint's synced end has reached the platter: the
// kernel may have failed to write a page and marked it clean. So it is written again, into new files, before it counts
// as durable. The old bytes are cut off only when the new ones are safe: a crash at any step leaves one of them.

const copyBytes = 1024 * 1024;

/** Copies aside what recovery is about to cut, for a person to look at. */
export async function setAside(context: DirectoryContext, state: LogState, synced: FilePlace): Promise<void> {
  for (const segment of state.segments) {
    if (segment.baseOffset < synced.segment) continue;
    const start = segment.baseOffset === synced.segment ? synced.position : 0;
    await copyRange(context, segment, start, segment.sizeBytes, `${segment.path}.doubtful`);
  }
  await context.fs.syncDirectory(state.directory);
}

/** Writes the good pieces above the synced place again, then takes away whatever else stands there. */
export async function rewriteTail(
  context: DirectoryContext,
  state: LogState,
  synced: FilePlace,
  pieces: readonly GoodPiece[],
): Promise<void> {
  const { fs } = context;
  const kept = state.segments.filter((segment) => segment.baseOffset <= synced.segment);
  const old = state.segments.filter((segment) => segment.baseOffset > synced.segment);
  const rewritten: Segment[] = [];
  for (const piece of pieces) {
    const { baseOffset, nextOffset, segment } = piece;
    const sizeBytes = piece.end - piece.start;
    const fresh = new Segment(state.directory, baseOffset, { sizeBytes, nextOffset, sinceMs: segment.sinceMs });
    const aside = `${fresh.path}.tmp`;
    await copyRange(context, segment, piece.start, piece.end, aside);
    await Promise.all([context.readers.close(fresh.path), context.appenders.close(fresh.path)]);
    await fs.rename(aside, fresh.path);
    rewritten.push(fresh);
  }
  await fs.syncDirectory(state.directory);
  const isRewritten = (segment: Segment): boolean => rewritten.some((fresh) => fresh.path === segment.path);
  // The file that holds the synced place stays, even if nothing is in it: the checkpoint names it.
  const holder = kept.at(-1);
  if (holder !== undefined && isRewritten(holder)) kept.pop();
  else await cutAt(context, holder, synced);
  for (const segment of old.reverse()) if (!isRewritten(segment)) await removeSegment(context, segment);
  await fs.syncDirectory(state.directory);
  state.segments = [...kept, ...rewritten];
}

async function cutAt(context: DirectoryContext, segment: Segment | undefined, synced: FilePlace): Promise<void> {
  if (segment?.baseOffset !== synced.segment) return;
  await context.appenders.use(segment.path, async (file) => {
    // Synced in any case: an earlier cut may not have been.
    if (file.sizeBytes > synced.position) await file.truncate(synced.position);
    await file.sync();
  });
  segment.sizeBytes = synced.position;
  segment.syncedBytes = synced.position;
}

async function copyRange(
  context: DirectoryContext,
  source: Segment,
  start: number,
  end: number,
  target: string,
): Promise<void> {
  const file = await context.fs.openAppend(target);
  try {
    if (file.sizeBytes > 0) await file.truncate(0);
    await context.readers.use(source.path, async (from) => {
      for (let at = start; at < end; ) {
        const bytes = new Uint8Array(Math.min(copyBytes, end - at));
        const got = await from.read(at, bytes);
        await file.append([bytes.subarray(0, got)]);
        at += bytes.length;
      }
    });
    await file.sync();
  } finally {
    await file.close();
  }
}
