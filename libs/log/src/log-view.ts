import type { LeaderEpoch, Offset } from '@moldau/kernel';
import type { CheckpointRecord } from './checkpoint-file.ts';
import type { TokenEntry } from './fencing-tokens.ts';
import type { EpochEntry } from './leader-epochs.ts';
import type { LogState } from './log-state.ts';
import { lastEpochOf } from './recovery/recover-partition.ts';

/** What can be seen of a log at any time, without waiting and without changing it. */
export abstract class LogView {
  readonly #state: LogState;

  constructor(state: LogState) {
    this.#state = state;
  }

  get key() {
    return this.#state.key;
  }
  get identity() {
    return this.#state.identity;
  }
  /** The first offset that is served. */
  get logStart(): Offset {
    return this.#state.logStart;
  }
  /** The next offset that an append hands out. */
  get logEnd(): Offset {
    return this.#state.logEnd;
  }
  /** Everything below is written in full: it may be pushed to followers. */
  get writtenEnd(): Offset {
    return this.#state.writtenEnd;
  }
  /** Everything below is durable, as the topic's flush mode means it. */
  get durableEnd(): Offset {
    return this.#state.durableEnd;
  }
  get highWatermark(): Offset {
    return this.#state.highWatermark;
  }
  /** The epoch of the last record; 0 when there is none. */
  get lastEpoch(): LeaderEpoch {
    return lastEpochOf(this.#state);
  }
  /** The highest leader epoch that was stored for this replica; 0 when there is none. */
  get storedEpoch(): LeaderEpoch {
    return this.#state.storedEpoch;
  }
  get sizeBytes(): number {
    return this.#state.sizeBytes;
  }
  /** Below it each key stands once at most; 0: nothing was compacted, or that is not known. */
  get compactedEnd(): Offset {
    return this.#state.compactedEnd;
  }
  /** Records may be gone for newer ones below this offset; 0: none are. */
  get supersededEnd(): Offset {
    return this.#state.supersededEnd;
  }
  /** Behind the highest tombstone that compaction has removed, here or where this copy began; 0: none. */
  get tombstoneEnd(): Offset {
    return this.#state.tombstoneEnd;
  }

  /** Whether this copy was marked or found corrupt, and not been reset since. */
  get isCorrupt(): boolean {
    return this.#state.corrupt;
  }

  /** The epoch of the record at `at`; undefined when it is below the first. */
  epochOf(at: Offset): LeaderEpoch | undefined {
    return this.#state.epochs.epochOf(at);
  }

  /** The newest `most` leader epochs and where they begin, oldest first. */
  epochTail(most: number): readonly EpochEntry[] {
    return this.#state.epochs.tail(most);
  }

  /** The leader epochs that begin in [from, next). */
  epochsWithin(from: Offset, next: Offset): readonly EpochEntry[] {
    return this.#state.epochs.within(from, next);
  }

  /** The leader epoch that `at` falls into. */
  epochCovering(at: Offset): EpochEntry | undefined {
    return this.#state.epochs.covering(at);
  }

  /** The fencing token in force, and the offset of the control record that raised it; undefined: there is none. */
  get fencingToken(): TokenEntry | undefined {
    return this.#state.tokens.last;
  }

  /** The fencing token that was in force before the record at `at`. */
  fencingTokenBefore(at: Offset): bigint | undefined {
    return this.#state.tokens.before(at)?.token;
  }

  /** The largest epoch in the log that is not above `epoch`, and where it ends. */
  epochEnd(epoch: LeaderEpoch): { epoch: LeaderEpoch; end: Offset } | undefined {
    return this.#state.epochs.endOf(epoch, this.#state.logEnd);
  }

  /** Where the first leader epoch that is known begins. */
  get epochsStart(): Offset | undefined {
    return this.#state.epochs.start;
  }

  /** For the directory: what the checkpoint is to keep. */
  checkpointRecord(): CheckpointRecord {
    return this.#state.checkpointRecord();
  }
}
