import { assert, type Offset } from '@moldau/kernel';
import { walkBatches } from './batch-walk.ts';
import type { DirectoryContext } from './directory-context.ts';
import { saveEpochs } from './epoch-file.ts';
import { loadIndex } from './index-cache.ts';
import type { FilePlace, LogState } from './log-state.ts';
import { dropSnapshotsAbove, rebuildProducers } from './producers/snapshot-files.ts';
import { cutFiles } from './segment-files.ts';
import { untilSpace } from './until-space.ts';

/**
 * Cuts the end of a log: files, epochs and producers together. Everything written must have been synced. The intent is
 * in the checkpoint before the first file is touched, and gone from it before anything is appended again: a crash in
 * between is finished by recovery, and never cuts what came later.
 */
export async function truncateLog(context: DirectoryContext, state: LogState, asked: Offset): Promise<void> {
  assert(asked >= state.logStart, 'a truncation stays above the log start');
  assert(state.syncedEnd === state.writtenEnd, 'a truncation cuts a synced log');
  const { place, offset: to } = await placeOfCut(context, state, asked);
  state.truncations += 1;
  state.truncateTo = to;
  state.syncedEnd = to;
  state.syncedPlace = place;
  state.durableEnd = least(state.durableEnd, to);
  state.highWatermark = least(state.highWatermark, to);
  state.forgetCompaction(to);
  await untilSpace(context, state, () => context.checkpoint.writeNow());
  state.tail.cut(to);
  await untilSpace(context, state, async () => {
    await cutFiles(context, state, place);
    await settleEnd(context, state, to);
    await saveEpochs(context.fs, state);
  });
  state.truncations += 1;
  state.truncateTo = undefined;
  await untilSpace(context, state, () => context.checkpoint.writeNow());
}

/** Lets the log end at `to`, where its files already do: epochs (not saved yet) and producers follow. */
export async function settleEnd(context: DirectoryContext, state: LogState, to: Offset): Promise<void> {
  const { active } = state;
  if (active !== undefined) active.nextOffset = to;
  state.writtenEnd = to;
  if (state.logEnd > to) {
    state.logEnd = to;
    state.cutEpochs(to);
  }
  await dropSnapshotsAbove(context.fs, state, to);
  await rebuildProducers(context, state, to, context.clock.wallMs());
}

/** The last batch boundary at or below `asked`. */
async function placeOfCut(
  context: DirectoryContext,
  state: LogState,
  asked: Offset,
): Promise<{ place: FilePlace; offset: Offset }> {
  const segment = state.segmentOf(asked) ?? state.segments[0];
  assert(segment !== undefined, 'a log that is truncated has a segment');
  const start = (await loadIndex(context, segment)).placeOf(asked);
  const walked = await context.readers.use(segment.path, (file) =>
    walkBatches(
      {
        read: (position, target) => file.read(position, target),
        position: start.position,
        endPosition: segment.sizeBytes,
        offset: start.offset,
        checkCrc: false,
        windowBytes: 64 * 1024,
      },
      ({ header }) => header.nextOffset <= asked,
    ),
  );
  return { place: { segment: segment.baseOffset, position: walked.position }, offset: walked.offset };
}

const least = (a: Offset, b: Offset): Offset => (a < b ? a : b);
