import type { Millis, Offset } from '@moldau/kernel';
import type { DirectoryContext } from './directory-context.ts';
import { loadIndex } from './index-cache.ts';
import type { LogConfig } from './log-config.ts';
import type { LogState } from './log-state.ts';
import type { Segment } from './segment.ts';
import { removeSegment } from './segment-files.ts';

/** Where the log shall start by age and size: at a segment's base, never above the high watermark. */
export async function retainedStart(
  context: DirectoryContext,
  state: LogState,
  config: LogConfig,
  nowMs: Millis,
): Promise<Offset> {
  let start = state.logStart;
  let sizeBytes = state.sizeBytes;
  for (const segment of state.segments.slice(0, -1)) {
    if (segment.nextOffset > state.highWatermark) break;
    sizeBytes -= segment.sizeBytes;
    const tooMuch = config.retentionBytes !== undefined && sizeBytes >= config.retentionBytes;
    if (!tooMuch && !(await isExpired(context, segment, config, nowMs))) break;
    start = segment.nextOffset;
  }
  return start;
}

/** Whether the active segment holds something, and all of it may go. */
export async function isActiveExpired(
  context: DirectoryContext,
  state: LogState,
  config: LogConfig,
  nowMs: Millis,
): Promise<boolean> {
  const { active } = state;
  if (active === undefined || active.sizeBytes === 0 || active.nextOffset > state.highWatermark) return false;
  return isExpired(context, active, config, nowMs);
}

/**
 * Moves the log start. It survives power loss before anyone sees it and before any file goes: a crash never leaves a hole
 * above it, and no one is told of a start that may go back.
 */
export async function moveLogStart(context: DirectoryContext, state: LogState, to: Offset): Promise<void> {
  if (to <= state.logStart) return;
  state.startTo = to;
  try {
    await context.checkpoint.writeNow();
  } finally {
    state.startTo = undefined;
  }
  state.logStart = to;
  state.epochs.cutStart(to);
  state.epochsSaved = false;
  let removed = false;
  for (let first = state.segments[0]; first !== undefined && mayGo(state, first); first = state.segments[0]) {
    state.segments.shift();
    await removeSegment(context, first);
    removed = true;
  }
  if (removed) await context.fs.syncDirectory(state.directory);
}

/** Not the active one, and not the one in which the checkpoint's synced end stands. */
const mayGo = (state: LogState, segment: Segment): boolean =>
  segment !== state.active && segment.nextOffset <= state.logStart && segment.baseOffset < state.syncedPlace.segment;

async function isExpired(
  context: DirectoryContext,
  segment: Segment,
  config: LogConfig,
  nowMs: Millis,
): Promise<boolean> {
  if (config.retentionMs === undefined) return false;
  const { maxTimestamp, coveredBytes } = await loadIndex(context, segment);
  // An index that stops at damage knows nothing of the time of what lies behind it.
  if (coveredBytes < segment.sizeBytes) return false;
  return maxTimestamp + config.retentionMs < nowMs;
}
