import type { Segment } from '../segment.ts';
import { offsetSpanMax } from '../segment-index.ts';
import { BatchFilter } from './batch-filter.ts';
import { compactable, dirtyStart } from './compaction-plan.ts';
import { CompactionAbandoned, type CompactionRun } from './compaction-run.ts';
import { FreshSegment } from './fresh-segment.ts';
import { type NewestKeys, newestKeys } from './newest-keys.ts';
import { walkSealed } from './sealed-walk.ts';
import { swapSegments } from './segment-swap.ts';

/**
 * Compacts what may be of a log: of each key the last record stays. Every offset stays what it was; of neighbouring batches
 * that are gone an empty one is left. In as many passes as the memory for keys asks for; each leaves a log that is whole.
 * Rejects with CompactionAbandoned when the log has changed meanwhile.
 */
export async function compactLog(run: CompactionRun): Promise<void> {
  const { state } = run;
  // What becomes compactable meanwhile is for the next time.
  const end = compactable(state).at(-1)?.nextOffset;
  for (let isFirst = true; end !== undefined && (isFirst || state.compactedEnd < end); isFirst = false) {
    const segments = compactable(state).filter(({ nextOffset }) => nextOffset <= end);
    const newest = await newestKeys(run, segments, dirtyStart(state));
    await applyPass(run, segments, newest);
  }
}

async function applyPass(run: CompactionRun, segments: readonly Segment[], newest: NewestKeys): Promise<void> {
  const { state, context } = run;
  const filter = new BatchFilter(run, newest);
  const before = state.truncations;
  const left = segments.filter(({ baseOffset }) => baseOffset < newest.end);
  while (left.length > 0) {
    await applyToGroup(run, left, filter);
    run.progressed();
  }
  if (before !== state.truncations) throw new CompactionAbandoned('the log was cut');
  if (newest.end > state.compactedEnd) state.compactedEnd = newest.end;
  state.tombstonesUntilMs = filter.horizonMs === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : filter.horizonMs;
  context.checkpoint.markDirty();
}

/** Writes the first of `left` anew, and as many of the following as fit into one segment with what is left of it. */
async function applyToGroup(run: CompactionRun, left: Segment[], filter: BatchFilter): Promise<void> {
  const { context, state, tally, pace } = run;
  const [first] = left;
  if (first === undefined) return;
  if (state.ending) throw new CompactionAbandoned('the log is being closed');
  const before = state.truncations;
  const fresh = await FreshSegment.begin(context.fs, state.directory, first.baseOffset, first.sinceMs);
  try {
    const group: Segment[] = [];
    let isChanged = false;
    for (let next = left[0]; next !== undefined && fits(run, group, fresh, next); next = left[0]) {
      left.shift();
      group.push(next);
      await walkSealed(
        run,
        next,
        { position: 0, offset: next.baseOffset },
        async ({ header, bytes, at, sizeBytes }) => {
          const batch = bytes.subarray(at, at + sizeBytes);
          const kept = await filter.apply(batch, header);
          if (kept !== batch) isChanged = true;
          await pace.spend(kept === undefined ? await fresh.skip(header) : await fresh.take(kept));
          return true;
        },
      );
      tally.readBytes += next.sizeBytes;
    }
    if (!isChanged && group.length === 1) return await fresh.discard();
    const oldBytes = group.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const segment = await fresh.finish();
    await putInPlace(run, group, segment, filter, before);
    tally.removedBytes += oldBytes - segment.sizeBytes;
  } catch (error) {
    if (context.fs.failure === undefined) await fresh.discard();
    throw error;
  }
}

function fits(run: CompactionRun, group: readonly Segment[], fresh: FreshSegment, next: Segment): boolean {
  const [first] = group;
  if (first === undefined) return true;
  return fresh.sizeBytes + next.sizeBytes <= run.segmentBytes && next.nextOffset - first.baseOffset <= offsetSpanMax;
}

/**
 * The checkpoint says first what a recovery must not miss: that there may be fewer bytes, and what may be gone.
 * Written before the log is held up.
 */
async function putInPlace(
  run: CompactionRun,
  group: readonly Segment[],
  fresh: Segment,
  { newestEnd, tombstoneEnd }: BatchFilter,
  before: number,
): Promise<void> {
  const { context, state } = run;
  const oldBytes = group.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  state.shrinkingBytes = Math.max(0, oldBytes - fresh.sizeBytes);
  if (newestEnd > state.supersededEnd) state.supersededEnd = newestEnd;
  if (tombstoneEnd > state.tombstoneEnd) state.tombstoneEnd = tombstoneEnd;
  try {
    await context.checkpoint.writeNow();
    await run.exclusively(async () => {
      const isThere = group.every((segment) => !segment.removed && state.segments.includes(segment));
      if (!isThere || before !== state.truncations || state.ending) {
        throw new CompactionAbandoned('a segment went away');
      }
      await swapSegments(context, state, group, fresh);
    });
  } finally {
    state.shrinkingBytes = 0;
  }
}
