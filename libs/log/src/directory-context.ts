import type { AppendFile, Clock, Logger, ReadFile, Timers } from '@moldau/kernel';
import type { CheckpointFile } from './checkpoint-file.ts';
import type { GuardedFileSystem } from './guarded-file-system.ts';
import type { HandlePool } from './handle-pool.ts';
import type { IndexCache } from './index-cache.ts';
import type { Slots } from './slots.ts';
import type { SyncRounds } from './sync-rounds.ts';
import type { TailCache } from './tail-cache.ts';

/** What the partitions of one data directory share. */
export interface DirectoryContext {
  readonly fs: GuardedFileSystem;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly appenders: HandlePool<AppendFile>;
  readonly readers: HandlePool<ReadFile>;
  readonly indexes: IndexCache;
  readonly tail: TailCache;
  readonly rounds: SyncRounds;
  /** Epoch files, which no acknowledgement waits for. */
  readonly epochRounds: SyncRounds;
  readonly checkpoint: CheckpointFile;
  /** Reads from disk that may run at once. */
  readonly coldReads: Slots;
}
