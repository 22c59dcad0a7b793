import type { LeaderEpoch, Offset } from '@moldau/kernel';

/** A leader epoch and the first offset that it wrote. */
export interface EpochStart {
  readonly epoch: LeaderEpoch;
  readonly start: Offset;
}

/** A log as the machines read it: they never change it. */
export interface LogView {
  readonly logStart: Offset;
  readonly writtenEnd: Offset;
  readonly durableEnd: Offset;
  readonly highWatermark: Offset;
  /** Behind the highest tombstone that compaction has removed; 0: none. */
  readonly tombstoneEnd: Offset;
  /** The epoch of the record at `offset`. */
  epochOf(offset: Offset): LeaderEpoch | undefined;
  /** The largest epoch in the log that is not above `epoch`, and where it ends. */
  epochEnd(epoch: LeaderEpoch): { readonly epoch: LeaderEpoch; readonly end: Offset } | undefined;
}

/** How a copy becomes a part of its leader's log. */
export type Match =
  | { readonly kind: 'whole' }
  | { readonly kind: 'truncate'; readonly to: Offset }
  | { readonly kind: 'reset'; readonly to: Offset };

/** The copy of a follower, as it says itself. */
export interface CopyEnds {
  readonly logStart: Offset;
  readonly durableEnd: Offset;
  /** Compaction may have removed records of it for newer ones below this offset. */
  readonly supersededEnd: Offset;
  /** Behind the highest tombstone that it lacks since compaction, its own or that of the log that it began from; 0: none. */
  readonly tombstoneEnd: Offset;
  /** Its newest epochs, oldest first. */
  readonly epochs: readonly EpochStart[];
}

/**
 * Compares by epochs, never by high watermarks: in one epoch there is one writer, so two logs that both have it hold the same
 * up to the smaller of their ends of it (KIP-101). The largest such epoch says where the copy is cut. A copy that ends
 * below the leader's log start, or shares no epoch with it, begins anew there. So does one that compaction, there or here, has
 * made unfit to go on where it would have to.
 */
export function matchCopy(copy: CopyEnds, leader: LogView): Match {
  const match = matchEpochs(copy, leader);
  if (match.kind === 'reset') return match;
  const end = match.kind === 'truncate' ? match.to : copy.durableEnd;
  // A record that is gone for a newer one would be missing when that is cut.
  const lacksOlder = end < copy.durableEnd && end < copy.supersededEnd;
  // What a tombstone has deleted would stay for ever in a copy that the tombstone does not reach any more.
  const lacksTombstone = end < leader.tombstoneEnd && copy.tombstoneEnd < leader.tombstoneEnd;
  return lacksOlder || lacksTombstone ? { kind: 'reset', to: leader.logStart } : match;
}

function matchEpochs(copy: CopyEnds, leader: LogView): Match {
  const { logStart } = leader;
  const end = copy.durableEnd;
  if (end < logStart) return { kind: 'reset', to: logStart };
  for (let i = copy.epochs.length - 1; i >= 0; i -= 1) {
    const entry = copy.epochs[i];
    const found = entry && leader.epochEnd(entry.epoch);
    if (entry === undefined || found?.epoch !== entry.epoch) continue;
    const copyEnd = copy.epochs[i + 1]?.start ?? end;
    const to = found.end < copyEnd ? found.end : copyEnd;
    if (to >= end) return { kind: 'whole' };
    return to < copy.logStart || to < logStart ? { kind: 'reset', to: logStart } : { kind: 'truncate', to };
  }
  return end === logStart && mayContinue(copy, leader) ? { kind: 'whole' } : { kind: 'reset', to: logStart };
}

/**
 * Whether the leader's log start continues a copy that ends there, and of which the leader knows no epoch any more. It does
 * when an epoch begins just there. Else the leader still has the epoch of the record before, and the copy another one.
 */
function mayContinue({ epochs, durableEnd }: CopyEnds, leader: LogView): boolean {
  const { logStart } = leader;
  if (logStart > 0n && leader.epochOf((logStart - 1n) as Offset) !== undefined) return false;
  const last = epochs.findLast(({ start }) => start < durableEnd);
  const next = leader.epochOf(logStart);
  return last === undefined || next === undefined || last.epoch < next;
}
