import type { Offset } from '@moldau/kernel';

// What one partition remembers of one producer, and what that says of its next batch. No I/O, no time.

/** A producer never has more unacknowledged batches on a partition than this. */
export const windowBatches = 5;
const sequenceSpan = 2 ** 31;

/** One batch as its header tells it. */
export interface ProducerBatch {
  readonly epoch: number;
  readonly firstSequence: number;
  readonly recordsCount: number;
}

/** One batch in the window. */
export interface WindowEntry {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
}

/** A producer's epoch and its last batches under it, oldest first; never empty. */
export interface ProducerWindow {
  readonly epoch: number;
  readonly entries: readonly WindowEntry[];
}

/** What is to become of a batch. */
export type ProducerVerdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'duplicate'; readonly entry: WindowEntry }
  /** Written before the window begins. `oldest` lies above it, so its commit proves the other. */
  | { readonly kind: 'old-duplicate'; readonly oldest: WindowEntry }
  | { readonly kind: 'fenced'; readonly currentEpoch: number }
  | { readonly kind: 'out-of-order'; readonly expected: number }
  | { readonly kind: 'unknown-producer' };

/** `sequence` moved on by `count`; 2^31 - 1 is followed by 0. */
export const sequenceAfter = (sequence: number, count: number): number => (sequence + count) % sequenceSpan;

/** True when `a` comes before `b`: at most half the circle behind it. */
const isBefore = (a: number, b: number): boolean => {
  const distance = (b - a + sequenceSpan) % sequenceSpan;
  return distance > 0 && distance <= sequenceSpan / 2;
};

export function judge(window: ProducerWindow | undefined, batch: ProducerBatch): ProducerVerdict {
  if (window === undefined) return batch.firstSequence === 0 ? { kind: 'accept' } : { kind: 'unknown-producer' };
  if (batch.epoch < window.epoch) return { kind: 'fenced', currentEpoch: window.epoch };
  if (batch.epoch > window.epoch) {
    return batch.firstSequence === 0 ? { kind: 'accept' } : { kind: 'out-of-order', expected: 0 };
  }
  const lastSequence = sequenceAfter(batch.firstSequence, batch.recordsCount - 1);
  const same = window.entries.find((e) => e.firstSequence === batch.firstSequence && e.lastSequence === lastSequence);
  if (same !== undefined) return { kind: 'duplicate', entry: same };
  const oldest = window.entries[0];
  const newest = window.entries.at(-1);
  if (oldest === undefined || newest === undefined) return { kind: 'unknown-producer' };
  const expected = sequenceAfter(newest.lastSequence, 1);
  if (batch.firstSequence === expected) return { kind: 'accept' };
  if (isBefore(lastSequence, oldest.firstSequence)) return { kind: 'old-duplicate', oldest };
  return { kind: 'out-of-order', expected };
}

/** The window behind a batch that was accepted, or that is read back from the log. */
export function extend(
  window: ProducerWindow | undefined,
  batch: ProducerBatch,
  baseOffset: Offset,
  lastOffset: Offset,
): ProducerWindow {
  const entry: WindowEntry = {
    firstSequence: batch.firstSequence,
    lastSequence: sequenceAfter(batch.firstSequence, batch.recordsCount - 1),
    baseOffset,
    lastOffset,
  };
  const kept = window !== undefined && window.epoch === batch.epoch ? window.entries.slice(1 - windowBatches) : [];
  return { epoch: batch.epoch, entries: [...kept, entry] };
}
