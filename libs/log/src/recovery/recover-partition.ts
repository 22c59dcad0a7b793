import { assert, type LeaderEpoch, leaderEpoch, type Offset } from '@moldau/kernel';
import { walkBatches } from '../batch-walk.ts';
import type { CheckpointRecord } from '../checkpoint-file.ts';
import { beginAnew } from '../copy-reset.ts';
import type { DirectoryContext } from '../directory-context.ts';
import { readEpochs, saveEpochs } from '../epoch-file.ts';
import { FencingTokens } from '../fencing-tokens.ts';
import { LeaderEpochs } from '../leader-epochs.ts';
import type { FilePlace, Found, LogState } from '../log-state.ts';
import { dropSnapshotsAbove, rebuildProducers } from '../producers/snapshot-files.ts';
import { removeSegment } from '../segment-files.ts';
import { noteToken } from '../token-record.ts';
import { findSegments } from './partition-files.ts';
import { rewriteTail, setAside } from './rewrite-tail.ts';
import { scanTail } from './scan-tail.ts';

/** What recovery knows before it looks at a partition's files. */
export interface RecoveryInput {
  /** What the checkpoint says of it; undefined for one that was created after the last checkpoint. */
  readonly record: CheckpointRecord | undefined;
  /** The directory was closed in order. */
  readonly clean: boolean;
  /** What the end of the process before makes of every copy: nothing after a mere kill, whose writes the page cache kept. */
  readonly doubt: 'unclean' | undefined;
  /** Something is missing already: the identity, the directory, or the checkpoint itself. */
  readonly problem: string | undefined;
  /** Lets others have their turn. */
  readonly pause: () => Promise<void>;
}

/** Brings one log into a state from which it can be read and appended to. Cuts nothing but unsynced tails. */
export async function recoverPartition(
  context: DirectoryContext,
  state: LogState,
  input: RecoveryInput,
): Promise<Found> {
  const { record } = input;
  if (record?.resetTo !== undefined) return finishReset(context, state, record.resetTo, record.storedEpoch);
  const nowMs = context.clock.wallMs();
  state.segments = await findSegments(context, state.directory, nowMs);
  state.logStart = record?.logStart ?? state.segments[0]?.baseOffset ?? (0n as Offset);
  state.storedEpoch = record?.storedEpoch ?? leaderEpoch(0);
  state.compactedEnd = record?.compactedEnd ?? (0n as Offset);
  state.supersededEnd = record?.supersededEnd ?? (0n as Offset);
  state.tombstoneEnd = record?.tombstoneEnd ?? (0n as Offset);
  state.corrupt = record?.corrupt ?? false;
  if (record !== undefined) await dropBelowStart(context, state, record.segment);
  const synced = {
    segment: record?.segment ?? state.segments[0]?.baseOffset ?? state.logStart,
    position: record?.position ?? 0,
  };
  const syncedEnd = record?.syncedEnd ?? synced.segment;
  const stored = await readEpochs(context.fs, state.directory);
  state.epochs = stored?.epochs ?? new LeaderEpochs();
  state.tokens = stored?.tokens ?? new FencingTokens();
  const problem =
    input.problem ?? missingBytes(state, record) ?? (state.corrupt ? 'it was found corrupt before' : undefined);
  if (problem !== undefined) state.corrupt = true;
  const recovered = state.corrupt
    ? await recoverCorrupt(context, state, synced, syncedEnd, input.pause)
    : await recoverTail(context, state, synced, syncedEnd, input);
  state.logEnd = recovered.end;
  state.writtenEnd = recovered.end;
  state.durableEnd = recovered.end;
  if (stored === undefined) await rebuildEpochs(context, state, input.pause);
  state.cutEpochs(recovered.end);
  state.highWatermark = least(record?.highWatermark ?? state.logStart, recovered.end);
  if (state.highWatermark < state.logStart) state.highWatermark = state.logStart;
  if (!state.corrupt) {
    if (!state.epochsSaved) await saveEpochs(context.fs, state);
    if (!input.clean || record?.truncateTo !== undefined) await dropSnapshotsAbove(context.fs, state, recovered.end);
  }
  const damage = await rebuildProducers(context, state, recovered.end, nowMs);
  const lastEpoch = lastEpochOf(state);
  const found = { lastEpoch, durableEnd: recovered.end };
  if (problem !== undefined) return { ...found, state: 'corrupt', problem };
  if (damage !== undefined) {
    state.corrupt = true;
    const problem = `at offset ${damage.offset}: ${damage.problem}`;
    return { ...found, state: 'corrupt', problem, damagedAt: damage.offset };
  }
  state.doubt = recovered.doubt ?? record?.doubt ?? input.doubt;
  return { ...found, state: state.doubt ?? 'clean', ...(recovered.problem !== '' && { problem: recovered.problem }) };
}

/**
 * A reset that was interrupted: nobody knows which files are still there. What is left goes; but the epoch that covers the
 * start is not known here, so the copy waits, corrupt, for its leader to say it again.
 */
async function finishReset(
  context: DirectoryContext,
  state: LogState,
  to: Offset,
  storedEpoch: LeaderEpoch,
): Promise<Found> {
  await beginAnew(context, state, to, {});
  state.storedEpoch = storedEpoch;
  state.corrupt = true;
  return { state: 'corrupt', lastEpoch: leaderEpoch(0), durableEnd: to, problem: 'it was being replaced' };
}

/** The epoch of the last record; 0 when there is none. */
export function lastEpochOf(state: LogState): LeaderEpoch {
  if (state.logEnd === state.logStart) return state.epochs.last;
  return state.epochs.epochOf((state.logEnd - 1n) as Offset) ?? leaderEpoch(0);
}

interface Recovered {
  readonly end: Offset;
  readonly doubt: 'doubtful' | undefined;
  readonly problem: string;
}

async function recoverTail(
  context: DirectoryContext,
  state: LogState,
  synced: FilePlace,
  syncedEnd: Offset,
  input: RecoveryInput,
): Promise<Recovered> {
  const { active } = state;
  state.syncedEnd = syncedEnd;
  state.syncedPlace = synced;
  if (!input.clean || input.record?.truncateTo !== undefined) await forgetIndexes(context, state, synced);
  const standsAtEnd = active?.baseOffset === synced.segment && active.sizeBytes === synced.position;
  if (active !== undefined && standsAtEnd && input.record?.truncateTo === undefined) {
    active.nextOffset = syncedEnd;
    // A cut that was never synced would let dead batches rise between those that are appended next.
    if (!input.clean) await context.appenders.use(active.path, (file) => file.sync());
    return { end: syncedEnd, doubt: undefined, problem: '' };
  }
  const truncates = input.record?.truncateTo !== undefined;
  const scanned = truncates
    ? ({ pieces: [], end: syncedEnd, rest: 'nothing', problem: '' } as const)
    : await scanTail(context, state, synced, syncedEnd, input.pause);
  if (scanned.rest === 'doubtful') await setAside(context, state, synced);
  await rewriteTail(context, state, synced, scanned.pieces);
  linkSegments(state, scanned.end);
  const last = state.active;
  if (last !== undefined) {
    state.syncedEnd = scanned.end;
    state.syncedPlace = { segment: last.baseOffset, position: last.sizeBytes };
  }
  if (scanned.rest !== 'nothing') {
    context.logger.warn('cut an unsynced tail', { partition: state.name, end: scanned.end, problem: scanned.problem });
  }
  if (scanned.rest !== 'doubtful') return { end: scanned.end, doubt: undefined, problem: '' };
  return { end: scanned.end, doubt: 'doubtful', problem: scanned.problem };
}

/**
 * An index may speak of batches that never reached the disk, or that are about to be cut. While the file is shorter nobody
 * believes it; once other batches stand there, it would lead into the midst of them.
 */
async function forgetIndexes(context: DirectoryContext, state: LogState, synced: FilePlace): Promise<void> {
  for (const { baseOffset, indexPath } of state.segments) {
    if (baseOffset >= synced.segment) await context.fs.removeFile(indexPath);
  }
}

/** A corrupt log is left as it is: it ends where it was synced, or where good batches end behind that. */
async function recoverCorrupt(
  context: DirectoryContext,
  state: LogState,
  synced: FilePlace,
  syncedEnd: Offset,
  pause: () => Promise<void>,
): Promise<Recovered> {
  const holder = state.segments.find((segment) => segment.baseOffset === synced.segment);
  const isWhole = holder !== undefined && holder.sizeBytes >= synced.position;
  const end = isWhole ? (await scanTail(context, state, synced, syncedEnd, pause)).end : syncedEnd;
  state.syncedEnd = syncedEnd;
  state.syncedPlace = synced;
  // Files of nothing but unsynced batches, behind a hole: they would stand in the way of what is appended next.
  for (
    let last = state.active;
    last !== undefined && last.baseOffset >= end && last.sizeBytes > 0;
    last = state.active
  ) {
    state.segments.pop();
    await context.readers.close(last.path);
    await context.fs.rename(last.path, `${last.path}.doubtful`);
  }
  linkSegments(state, end);
  return { end, doubt: undefined, problem: '' };
}

/** Each segment ends where the next one begins. */
function linkSegments(state: LogState, end: Offset): void {
  for (const [i, segment] of state.segments.entries()) {
    segment.nextOffset = state.segments[i + 1]?.baseOffset ?? end;
    assert(segment.nextOffset >= segment.baseOffset, 'segments follow each other');
  }
}

/** A retention that was interrupted is finished. The segment in which the checkpoint's synced end stands is not touched. */
async function dropBelowStart(context: DirectoryContext, state: LogState, synced: Offset): Promise<void> {
  for (;;) {
    const [first, second] = state.segments;
    if (first === undefined || second === undefined) return;
    if (second.baseOffset > state.logStart || first.baseOffset >= synced) return;
    state.segments.shift();
    await removeSegment(context, first);
  }
}

/** What of the synced bytes is not there. */
function missingBytes(state: LogState, record: CheckpointRecord | undefined): string | undefined {
  if (state.segments.length === 0) return 'it has no segment file';
  if (record === undefined) return undefined;
  const holder = state.segments.find((segment) => segment.baseOffset === record.segment);
  let bytes = Math.min(holder?.sizeBytes ?? 0, record.position);
  for (const segment of state.segments) if (segment.baseOffset < record.segment) bytes += segment.sizeBytes;
  if (holder !== undefined && bytes >= record.syncedBytes) return undefined;
  return `of ${record.syncedBytes} synced bytes only ${bytes} are there`;
}

async function rebuildEpochs(context: DirectoryContext, state: LogState, pause: () => Promise<void>): Promise<void> {
  const epochs = new LeaderEpochs();
  state.tokens = new FencingTokens();
  for (const segment of state.segments) {
    await context.readers.use(segment.path, (file) =>
      walkBatches(
        {
          read: (at, target) => file.read(at, target),
          position: 0,
          endPosition: segment.sizeBytes,
          offset: segment.baseOffset,
          checkCrc: false,
          windowBytes: 1024 * 1024,
          pause,
        },
        (batch) => {
          const { header } = batch;
          const epoch = leaderEpoch(header.leaderEpoch);
          if (epoch > epochs.last) epochs.begin(epoch, header.baseOffset as Offset);
          noteToken(state, batch.bytes, batch);
          return true;
        },
      ),
    );
  }
  state.epochs = epochs;
  state.epochsSaved = false;
}

const least = (a: Offset, b: Offset): Offset => (a < b ? a : b);
