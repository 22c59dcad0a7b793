import type { Millis } from '@moldau/kernel';
import type { DirectoryContext } from '../directory-context.ts';
import type { LogState } from '../log-state.ts';
import type { DamagedRange } from '../partition-reader.ts';
import type { Pace } from './pace.ts';

/** What compactions have done, of one log or of many. */
export interface CompactionTally {
  /** Bytes of segments that were read to be written again. */
  readBytes: number;
  /** By how much the log has shrunk. */
  removedBytes: number;
  /** Records that were dropped for they had no key. */
  unkeyedRecords: number;
  /** Batches that were kept as they are because their records can't be read. */
  unreadableBatches: number;
}

/** What time it is, as far as anybody knows: any clock may be wrong. */
export interface TimeRange {
  readonly earliestMs: Millis;
  readonly latestMs: Millis;
}

/** One compaction of one log, and what it needs to know. */
export interface CompactionRun {
  readonly context: DirectoryContext;
  readonly state: LogState;
  readonly pace: Pace;
  readonly deleteRetentionMs: Millis;
  /** What the key map may take; the log is gone through several times if that is too little. */
  readonly keyMemoryBytes: number;
  readonly segmentBytes: number;
  readonly tally: CompactionTally;
  /** What time it is, for tombstones. */
  now(): TimeRange;
  /** Called when another part of the log is done. */
  progressed(): void;
  /** Runs alone: nothing is written, synced or cut meanwhile. */
  exclusively<T>(task: () => Promise<T>): Promise<T>;
}

/** The log has changed under a compaction, or is damaged: what it was about to do makes no sense any more. Nothing was changed. */
export class CompactionAbandoned extends Error {
  override readonly name = 'CompactionAbandoned';
  /** Where a segment is damaged, if that is why. */
  readonly damage: DamagedRange | undefined;
  constructor(message: string, damage?: DamagedRange) {
    super(message);
    this.damage = damage;
  }
}
