import { hasReason, MoldauError, type Offset, offset } from '@moldau/kernel';
import type { PartitionLog } from '@moldau/log';
import type { Partition } from '../partition.ts';
import type { FollowedLeader } from './following.ts';

/** What a leader's disk holds in a range. */
export interface HashedRange {
  readonly end: bigint;
  readonly hash: string;
  readonly compacted: boolean;
}

/** Asks the leader of a copy. Rejects with a MoldauError when it can't say now. */
export type AskLeader = (leader: FollowedLeader, log: PartitionLog, from: Offset, to: Offset) => Promise<HashedRange>;

/** What a look at one range of a copy has shown. */
export interface RangeLook {
  /** `unchecked`: the disk gives it, and the leader can't say now whether it is right. */
  readonly finding: 'sound' | 'unchecked' | 'damaged' | 'diverged';
  /** Where the next range begins. */
  readonly next: Offset;
  readonly sizeBytes: number;
}

/** A range has about so many bytes. */
const rangeBytes = 8 * 1024 * 1024;
const pieceBytes = 512 * 1024;

/**
 * Reads the next range of a copy from its disk, and compares it with its leader's where it follows one. Only what is committed
 * here: below that no two copies may differ (I10). `undefined`: there is nothing more, or the log can't be read now. Damage is
 * told by the log itself to whoever listens.
 */
export async function lookAtRange(
  partition: Partition,
  from: Offset,
  askLeader: AskLeader,
  signal: AbortSignal,
): Promise<RangeLook | undefined> {
  const { log, following } = partition;
  const leader = following?.leader;
  const measured = { next: from, sizeBytes: 0 };
  try {
    await measure(log, measured, log.highWatermark, signal);
    if (measured.sizeBytes === 0) return undefined;
    const own = await log.hashRange(from, measured.next, signal);
    if (leader === undefined) return { finding: 'sound', ...measured };
    const theirs = await answerOf(askLeader(leader, log, from, measured.next));
    // Another leader by now: which of the two is wrong, if they differ, is not for this one to say.
    if (theirs === undefined || partition.following?.leader?.epoch !== leader.epoch) {
      return { finding: 'unchecked', ...measured };
    }
    // Each copy is compacted for itself, when its time has come.
    if (own.compacted || theirs.compacted) return { finding: 'sound', ...measured };
    const isSame = theirs.end === own.end && theirs.hash === own.hash;
    return { finding: isSame ? 'sound' : 'diverged', ...measured };
  } catch (error) {
    if (signal.aborted || !(error instanceof MoldauError)) throw error;
    if (!hasReason(error, 'CORRUPT_DATA')) return undefined;
    return {
      finding: 'damaged',
      next: offset(BigInt(error.fields.to ?? measured.next)),
      sizeBytes: measured.sizeBytes,
    };
  }
}

/** Finds a batch boundary about a range away. Offsets say nothing of bytes, and the leader must know where to stop. */
async function measure(
  log: PartitionLog,
  measured: { next: Offset; sizeBytes: number },
  below: Offset,
  signal: AbortSignal,
): Promise<void> {
  while (measured.sizeBytes < rangeBytes) {
    const { nextOffset, sizeBytes } = await log.read(measured.next, { maxBytes: pieceBytes, below, signal });
    if (sizeBytes === 0) return;
    measured.next = nextOffset;
    measured.sizeBytes += sizeBytes;
  }
}

async function answerOf(asked: Promise<HashedRange>): Promise<HashedRange | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof MoldauError) return undefined;
    throw error;
  }
}
