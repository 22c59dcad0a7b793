import { type LeaderEpoch, leaderEpoch, type Offset } from '@moldau/kernel';
import { findBatch, type WalkEnd, walkBatches } from '../batch-walk.ts';
import type { DirectoryContext } from '../directory-context.ts';
import type { FilePlace, LogState } from '../log-state.ts';
import type { Segment } from '../segment.ts';
import { noteToken } from '../token-record.ts';

const windowBytes = 1024 * 1024;

/** Good batches that follow each other in one segment file. */
export interface GoodPiece {
  readonly segment: Segment;
  readonly start: number;
  readonly end: number;
  readonly baseOffset: Offset;
  readonly nextOffset: Offset;
}

/** What stands above the checkpoint's synced end. */
export interface ScannedTail {
  readonly pieces: readonly GoodPiece[];
  /** The offset behind the last good batch. */
  readonly end: Offset;
  /** What stands behind that. Doubtful: whole batches of this log are among it. */
  readonly rest: 'nothing' | 'torn' | 'doubtful';
  readonly problem: string;
}

/** Checks every batch from `from` on, in full; notes the epochs and tokens that the epoch file does not know yet. */
export async function scanTail(
  context: DirectoryContext,
  state: LogState,
  from: FilePlace,
  fromOffset: Offset,
  pause: () => Promise<void>,
): Promise<ScannedTail> {
  const pieces: GoodPiece[] = [];
  const segments = state.segments.filter((segment) => segment.baseOffset >= from.segment);
  let end = fromOffset;
  // The file may speak of a token whose record was cut, and where another one stands by now: here the records say it themselves.
  if (state.tokens.cutEnd(fromOffset)) state.epochsSaved = false;
  for (const [i, segment] of segments.entries()) {
    const start = i === 0 ? from.position : 0;
    const isGap = i > 0 && segment.baseOffset !== end;
    const problem = isGap ? `segment ${segment.baseOffset} stands where ${end} belongs` : undefined;
    const walked = isGap
      ? { kind: 'bad' as const, position: start, offset: end, problem }
      : await scanSegment(context, state, segment, start, end, segments[i + 1], pause);
    if (walked.position > start) {
      pieces.push({ segment, start, end: walked.position, baseOffset: end, nextOffset: walked.offset });
    }
    end = walked.offset;
    if (walked.kind !== 'bad') continue;
    const rest = segments
      .slice(i)
      .map((other) => ({ segment: other, position: other === segment ? walked.position : 0 }));
    return { pieces, end, rest: await judgeRest(context, rest, end, pause), problem: walked.problem ?? '' };
  }
  return { pieces, end, rest: 'nothing', problem: '' };
}

async function scanSegment(
  context: DirectoryContext,
  state: LogState,
  segment: Segment,
  position: number,
  offset: Offset,
  following: Segment | undefined,
  pause: () => Promise<void>,
): Promise<WalkEnd> {
  let lastEpoch: LeaderEpoch = state.epochs.epochOf(offset) ?? leaderEpoch(0);
  let wrongEpoch = false;
  const walked = await context.readers.use(segment.path, (file) =>
    walkBatches(
      {
        read: (at, target) => file.read(at, target),
        position,
        endPosition: segment.sizeBytes,
        offset,
        checkCrc: true,
        windowBytes,
        pause,
      },
      (batch) => {
        const { header } = batch;
        // An interrupted rewriting leaves the same batches at the end of one file and in the next.
        if (following !== undefined && header.baseOffset >= following.baseOffset) return false;
        wrongEpoch = header.leaderEpoch < lastEpoch;
        if (wrongEpoch) return false;
        lastEpoch = leaderEpoch(header.leaderEpoch);
        noteEpoch(state, lastEpoch, header.baseOffset as Offset);
        noteToken(state, batch.bytes, batch);
        return true;
      },
    ),
  );
  if (wrongEpoch)
    return { ...walked, kind: 'bad', problem: 'a batch is of an older leader epoch than the one before it' };
  if (walked.kind === 'bad' && following?.baseOffset === walked.offset) return { ...walked, kind: 'stopped' };
  return walked;
}

function noteEpoch(state: LogState, epoch: LeaderEpoch, start: Offset): void {
  if (epoch <= state.epochs.last) return;
  state.epochs.begin(epoch, start);
  state.epochsSaved = false;
}

/** Whether a whole batch of this log stands behind the bad place: then it is no torn write. */
async function judgeRest(
  context: DirectoryContext,
  rest: readonly { readonly segment: Segment; readonly position: number }[],
  end: Offset,
  pause: () => Promise<void>,
): Promise<'torn' | 'doubtful'> {
  for (const { segment, position } of rest) {
    const found = await context.readers.use(segment.path, (file) =>
      findBatch(
        { read: (at, target) => file.read(at, target), position, endPosition: segment.sizeBytes, pause },
        (header) => header.baseOffset >= end && header.lastOffsetDelta >= 0,
      ),
    );
    if (found !== undefined) return 'doubtful';
  }
  return 'torn';
}
