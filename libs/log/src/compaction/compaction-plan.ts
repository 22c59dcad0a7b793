import type { Millis, Offset } from '@moldau/kernel';
import type { LogState } from '../log-state.ts';
import type { Segment } from '../segment.ts';

/** A log is compacted when so much of what may be has come since the last time. */
const leastDirtyPart = 0.5;

/**
 * The segments that may be compacted: whole, below the high watermark, not written to any more, and not the one in which the
 * checkpoint's synced end stands.
 */
export function compactable(state: LogState): readonly Segment[] {
  const end = state.segments.findIndex(
    (segment) =>
      segment === state.active ||
      segment.nextOffset > state.highWatermark ||
      segment.baseOffset >= state.syncedPlace.segment,
  );
  return state.segments.slice(0, Math.max(0, end));
}

/** Where the part begins of which keys may stand more than once. */
export const dirtyStart = (state: LogState): Offset =>
  state.compactedEnd > state.logStart ? state.compactedEnd : state.logStart;

/** Whether enough is new, or nothing but tombstones that may all go. */
export function isCompactionDue(state: LogState, nowMs: Millis): boolean {
  if (state.corrupt || state.ending || state.cuts > 0) return false;
  let allBytes = 0;
  let dirtyBytes = 0;
  for (const { sizeBytes, nextOffset } of compactable(state)) {
    allBytes += sizeBytes;
    if (nextOffset > state.compactedEnd) dirtyBytes += sizeBytes;
  }
  if (allBytes === 0) return false;
  return (dirtyBytes > 0 && dirtyBytes >= allBytes * leastDirtyPart) || state.tombstonesUntilMs < nowMs;
}
