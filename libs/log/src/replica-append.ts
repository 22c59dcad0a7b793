import type { LeaderEpoch, Offset } from '@moldau/kernel';
import { crcMatches, scanBatch } from '@moldau/records';
import type { CheckedBatch } from './batch-checks.ts';
import type { EpochEntry, LeaderEpochs } from './leader-epochs.ts';
import { storedBatchBytesMax } from './log-config.ts';
import type { LogState } from './log-state.ts';

/** One piece of a leader's log, as it was pushed. */
export interface ReplicaAppend {
  /** Must be this log's end. */
  readonly from: Offset;
  /** The epoch of the leader's record before; 0: there is none. */
  readonly previousEpoch: LeaderEpoch;
  /** The leader's epochs that begin in the piece. */
  readonly epochs: readonly EpochEntry[];
  /** Whole batches, stamped by their leaders. They belong to the log from now on. */
  readonly bytes: Uint8Array;
  /** Under which the piece was pushed: no batch carries a higher one. */
  readonly leaderEpoch: LeaderEpoch;
  /** Where the leader's log starts: what lies before a piece that begins there is not compared. */
  readonly leaderLogStart: Offset;
}

/** Why a piece was not taken. Nothing of it was. */
export type Mismatch = 'gap' | 'epoch' | 'corrupt';

/** A piece that continues this log exactly. */
export interface FittingPiece {
  readonly batches: readonly CheckedBatch[];
  readonly next: Offset;
  /** The epochs of the log with the piece. */
  readonly epochs: LeaderEpochs;
}

/**
 * Whether a piece continues this log exactly (I3). The ends are compared, then the epochs before, then every batch. Epochs
 * come from the leader's list with their starts, never from the batches: those are only held against it.
 */
export function checkPiece(state: LogState, piece: ReplicaAppend): FittingPiece | Mismatch {
  const { from, previousEpoch, leaderLogStart } = piece;
  if (from !== state.logEnd) return 'gap';
  if (from !== leaderLogStart && (state.epochs.epochOf((from - 1n) as Offset) ?? 0) !== previousEpoch) return 'epoch';
  const batches = wholeBatches(piece.bytes);
  if (batches === undefined) return 'corrupt';
  const next = endOf(batches, from);
  if (next === undefined) return 'corrupt';
  const epochs = state.epochs.continuedBy(piece.epochs, from, next);
  if (epochs === undefined) return 'epoch';
  const isAsListed = batches.every(({ header }) => epochs.epochOf(header.baseOffset as Offset) === header.leaderEpoch);
  return isAsListed && epochs.last <= piece.leaderEpoch ? { batches, next, epochs } : 'corrupt';
}

/** Undefined: not all of them are whole, or there is none. */
function wholeBatches(bytes: Uint8Array): CheckedBatch[] | undefined {
  const batches: CheckedBatch[] = [];
  for (let at = 0; at < bytes.length; ) {
    const scanned = scanBatch(bytes, at, storedBatchBytesMax);
    if (scanned.kind !== 'batch') return undefined;
    const { header, sizeBytes } = scanned;
    if (header.lastOffsetDelta < 0 || !crcMatches(bytes, at, header, sizeBytes)) return undefined;
    batches.push({ header, at, sizeBytes });
    at += sizeBytes;
  }
  return batches.length === 0 ? undefined : batches;
}

/** The offset behind the last batch; undefined when they do not follow each other. */
function endOf(batches: readonly CheckedBatch[], from: Offset): Offset | undefined {
  let next = from;
  for (const { header } of batches) {
    if (header.baseOffset !== next) return undefined;
    next = header.nextOffset as Offset;
  }
  return next;
}
