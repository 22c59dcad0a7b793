import { assert, type FileError, faults, type LeaderEpoch, type Millis, type Offset } from '@moldau/kernel';
import type { AppendOptions, AppendResult } from './append-result.ts';
import type { CheckpointRecord } from './checkpoint-file.ts';
import type { DirectoryContext } from './directory-context.ts';
import { saveIndex } from './index-cache.ts';
import type { EpochEntry } from './leader-epochs.ts';
import { LogAppender, type ReplicaAppend } from './log-appender.ts';
import type { LogConfig } from './log-config.ts';
import type { LogSlice, ReadLimits } from './log-slice.ts';
import type { Found, LogState } from './log-state.ts';
import { LogSyncer } from './log-syncer.ts';
import { beginSegment, LogWriter } from './log-writer.ts';
import { type DamagedRange, PartitionReader, type TimedOffset } from './partition-reader.ts';
import { saveSnapshot } from './producers/snapshot-files.ts';
import { lastEpochOf } from './recovery/recover-partition.ts';
import { isActiveExpired, moveLogStart, retainedStart } from './retention.ts';
import { cutFiles } from './segment-files.ts';
import { SerialLane } from './serial-lane.ts';
import { settleEnd, truncateLog } from './truncation.ts';

type OnDurable = (durableEnd: Offset) => void;
type OnWriteFailed = (from: Offset, error: FileError) => void;
type OnDamage = (range: DamagedRange) => void;

/**
 * The log of one partition on this node. Appends are taken synchronously, in one turn from check to offset; writing,
 * syncing and reading go on behind. It knows nothing of other replicas: the high watermark is told to it.
 */
export class PartitionLog {
  readonly found: Found;
  readonly #context: DirectoryContext;
  readonly #state: LogState;
  readonly #writing = new SerialLane();
  readonly #syncing = new SerialLane();
  readonly #appender: LogAppender;
  readonly #syncer: LogSyncer;
  readonly #reader: PartitionReader;
  readonly #onDurable: OnDurable[] = [];
  readonly #onWritten: ((writtenEnd: Offset) => void)[] = [];
  readonly #onWriteFailed: OnWriteFailed[] = [];
  readonly #onDamage: OnDamage[] = [];
  #config: LogConfig;
  #flushTimer = false;

  constructor(context: DirectoryContext, state: LogState, found: Found, config: LogConfig) {
    this.#context = context;
    this.#state = state;
    this.#config = config;
    this.found = found;
    const writer = new LogWriter(
      context,
      state,
      this.#writing,
      () => this.#noteWritten(),
      (error) => this.#undoWrites(error),
    );
    this.#appender = new LogAppender(context, state, writer);
    this.#syncer = new LogSyncer(
      context,
      state,
      this.#syncing,
      (end) => this.#noteDurable(end),
      (error) => {
        this.stopLeading();
        this.#tellFailed(state.durableEnd, error);
      },
    );
    this.#reader = new PartitionReader(context, state, (range) => {
      for (const callback of this.#onDamage) callback(range);
    });
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

  configure(config: LogConfig): void {
    this.#config = config;
  }

  /** Takes appends under this epoch from now on. It must lie above every epoch in the log. */
  lead(epoch: LeaderEpoch): void {
    const state = this.#state;
    state.epochs.begin(epoch, state.logEnd);
    state.epochsSaved = false;
    state.leading = epoch;
    state.resigned = false;
  }

  /** Takes no more appends; what was taken is still written. */
  stopLeading(): void {
    this.#state.leading = undefined;
  }

  /**
   * Appends whole batches: all or none. Synchronous: when it returns, the offsets are theirs, and the bytes belong to the
   * log, stamped. Throws a MoldauError when nothing was taken.
   */
  append(bytes: Uint8Array, options: AppendOptions = {}): AppendResult {
    return this.#appender.append(bytes, options, this.#config);
  }

  appendReplica(piece: ReplicaAppend): 'gap' | 'epoch' | 'corrupt' | undefined {
    return this.#appender.appendReplica(piece, this.#config);
  }
  epochTail(most: number): readonly EpochEntry[] {
    return this.#state.epochs.entries.slice(-most);
  }
  epochOf(at: Offset): LeaderEpoch | undefined {
    return this.#state.epochs.epochOf(at);
  }
  epochsWithin(from: Offset, next: Offset): readonly EpochEntry[] {
    return this.#state.epochs.entries.filter(({ start }) => start >= from && start < next);
  }
  epochCovering(at: Offset): EpochEntry | undefined {
    return this.#state.epochs.entries.findLast(({ start }) => start <= at);
  }
  syncAll(): Promise<void> {
    return this.#exclusively(() => this.#syncer.syncAll());
  }
  followHighWatermark(leaderHw: Offset): boolean {
    const { durableEnd, highWatermark } = this.#state;
    const to = leaderHw < durableEnd ? leaderHw : durableEnd;
    if (to <= highWatermark) return false;
    this.advanceHighWatermark(to);
    return true;
  }
  async advanceLogStart(before: Offset): Promise<void> {
    await this.#exclusively(() => moveLogStart(this.#context, this.#state, before));
  }
  async markCorrupt(): Promise<void> {
    this.#state.corrupt = true;
    await this.#context.checkpoint.writeNow();
  }
  get isCorrupt(): boolean {
    return this.#state.corrupt;
  }
  reset(_to: Offset, _covering: EpochEntry | undefined): Promise<void> {
    return Promise.reject(new Error('reset is not there yet'));
  }

  /** Called after each completed sync that moved the durable end, in the order of offsets. */
  onDurable(callback: OnDurable): void {
    this.#onDurable.push(callback);
  }

  /** Called when something was written in full. */
  onWritten(callback: (writtenEnd: Offset) => void): void {
    this.#onWritten.push(callback);
  }

  /**
   * Called when a write has failed: nothing at or above `from` is there, or the directory has failed and nobody knows.
   * Appends are refused from then on, until `lead` begins a newer epoch: an offset is never reused within one.
   */
  onWriteFailed(callback: OnWriteFailed): void {
    this.#onWriteFailed.push(callback);
  }

  /** Called when a read has met damage. */
  onDamage(callback: OnDamage): void {
    this.#onDamage.push(callback);
  }

  advanceHighWatermark(to: Offset): void {
    const state = this.#state;
    assert(to >= state.highWatermark, `the high watermark of ${state.name} never goes back`);
    assert(to <= state.durableEnd, `the high watermark of ${state.name} stays below the durable end`);
    if (to === state.highWatermark) return;
    state.highWatermark = to;
    this.#context.checkpoint.markDirty();
  }

  /** What lies in the tail cache from `from` on; undefined when that is not there. */
  readTail(from: Offset, limits: ReadLimits): LogSlice | undefined {
    const state = this.#state;
    if (from < state.logStart) return undefined;
    if (from === state.writtenEnd) return { chunks: [], nextOffset: from, sizeBytes: 0 };
    return state.tail.read(from, limits);
  }

  /**
   * Whole batches from `from` on; the first is given even if it is larger than the limit. Errors: OFFSET_OUT_OF_RANGE;
   * CORRUPT_DATA with the damaged range, behind which reading can go on.
   */
  async read(from: Offset, limits: ReadLimits & { readonly signal?: AbortSignal | undefined }): Promise<LogSlice> {
    return this.readTail(from, limits) ?? this.#reader.read(from, limits, limits.signal);
  }

  /**
   * The first record of that time or later; undefined when there is none. It may lie above the high watermark.
   * Errors: CORRUPT_BATCH when the batch that should hold it can't be decoded.
   */
  offsetForTimestamp(timestampMs: Millis): Promise<TimedOffset | undefined> {
    return this.#reader.recordOfTime(timestampMs);
  }

  /** The largest epoch in the log that is not above `epoch`, and where it ends. */
  epochEnd(epoch: LeaderEpoch): { epoch: LeaderEpoch; end: Offset } | undefined {
    return this.#state.epochs.endOf(epoch, this.#state.logEnd);
  }

  /** Lets the log start at `before`, durably; whole segments below leave the disk. */
  trim(before: Offset): Promise<void> {
    return this.#exclusively(async () => {
      const { logStart, highWatermark } = this.#state;
      if (before > highWatermark) throw faults.offsetOutOfRange(before, logStart, highWatermark);
      await moveLogStart(this.#context, this.#state, before);
    });
  }

  /** Removes segments by age and size, never above the high watermark; forgets silent producers. */
  async applyRetention(nowMs: Millis): Promise<void> {
    this.#state.producers.expire(nowMs - this.#config.producerExpiryMs);
    if (this.#config.retentionMs === undefined && this.#config.retentionBytes === undefined) return;
    await this.#exclusively(async () => {
      if (await isActiveExpired(this.#context, this.#state, this.#config, nowMs)) {
        await beginSegment(this.#context, this.#state, this.#state.writtenEnd);
        await this.#syncer.syncAll();
        this.#appender.replan();
      }
      const start = await retainedStart(this.#context, this.#state, this.#config, nowMs);
      await moveLogStart(this.#context, this.#state, start);
    });
  }

  /** Cuts the end of the log down to `to`: files, epochs and producers together. Takes no appends afterwards. */
  truncate(to: Offset): Promise<void> {
    this.stopLeading();
    return this.#exclusively(async () => {
      this.stopLeading();
      if (to >= this.#state.logEnd) return;
      await this.#syncer.syncAll();
      await truncateLog(this.#context, this.#state, to);
      this.#appender.replan();
    });
  }

  /** Writes and syncs everything; keeps what makes the next start quick. */
  async close(): Promise<void> {
    this.stopLeading();
    this.#syncer.close();
    await this.#exclusively(async () => {
      const state = this.#state;
      if (this.#context.fs.failure !== undefined) return;
      await this.#syncer.syncAll();
      const { active } = state;
      if (active?.index !== undefined) await saveIndex(this.#context, active);
      if (state.snapshotAt !== state.logEnd && state.logEnd > state.logStart) {
        await saveSnapshot(this.#context.fs, state, state.logEnd, state.producers.encode(state.logEnd));
      }
    });
  }

  /** Lets go of everything: the files are about to be removed. Reads answer NOT_SERVING from now on. */
  async discard(): Promise<void> {
    this.stopLeading();
    this.#syncer.close();
    this.#state.removed = true;
    await this.#exclusively(async () => {
      const { segments, tail } = this.#state;
      tail.clear();
      for (const segment of segments) {
        this.#context.indexes.forget(segment);
        await Promise.all([this.#context.appenders.close(segment.path), this.#context.readers.close(segment.path)]);
      }
    });
  }

  /** For the directory: what the checkpoint is to keep. */
  checkpointRecord(): CheckpointRecord {
    return this.#state.checkpointRecord();
  }

  /** For the directory, which makes it durable. */
  noteStoredEpoch(epoch: LeaderEpoch): void {
    if (epoch > this.#state.storedEpoch) this.#state.storedEpoch = epoch;
  }

  #exclusively<T>(task: () => Promise<T>): Promise<T> {
    return this.#writing.run(() => this.#syncing.run(task));
  }

  #noteWritten(): void {
    const state = this.#state;
    for (const callback of this.#onWritten) callback(state.writtenEnd);
    if (this.#config.flush === 'fsync') return this.#syncer.request();
    this.#noteDurable(state.writtenEnd);
    if (this.#flushTimer) return;
    this.#flushTimer = true;
    this.#context.timers.after(this.#config.flushIntervalMs, () => {
      this.#flushTimer = false;
      this.#syncer.request();
    });
  }

  #noteDurable(end: Offset): void {
    const state = this.#state;
    // After the first failure nothing is acknowledged, whatever a later call seems to have achieved.
    if (end <= state.durableEnd || this.#context.fs.failure !== undefined) return;
    state.durableEnd = end;
    for (const callback of this.#onDurable) callback(end);
  }

  /** After a failed write: what it left is cut off, durably, before anyone is told that it is not there. */
  async #undoWrites(error: FileError): Promise<void> {
    const state = this.#state;
    this.stopLeading();
    state.resigned = true;
    const from = state.writtenEnd;
    try {
      await this.#syncing.run(async () => {
        const { active } = state;
        state.truncations += 1;
        if (active !== undefined) {
          await cutFiles(this.#context, state, { segment: active.baseOffset, position: active.sizeBytes });
        }
        await settleEnd(this.#context, state, from);
        this.#appender.replan();
        this.#syncer.request();
      });
    } catch (undoing) {
      // Not even that: then the directory has failed, and the outcome stays unknown.
      this.#context.logger.error('could not undo a failed write', { partition: state.name, error: String(undoing) });
    }
    this.#tellFailed(from, this.#context.fs.failure ?? error);
  }

  #tellFailed(from: Offset, error: FileError): void {
    for (const callback of this.#onWriteFailed) callback(from, error);
  }
}
