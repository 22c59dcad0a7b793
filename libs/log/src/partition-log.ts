import { assert, type FileError, faults, type LeaderEpoch, type Millis, type Offset } from '@moldau/kernel';
import type { AppendOptions, AppendResult } from './append-result.ts';
import { compactLog } from './compaction/compact-log.ts';
import { isCompactionDue } from './compaction/compaction-plan.ts';
import { CompactionAbandoned, type CompactionRun } from './compaction/compaction-run.ts';
import { type Inherited, resetLog } from './copy-reset.ts';
import type { DirectoryContext } from './directory-context.ts';
import { LogAppender } from './log-appender.ts';
import type { LogConfig } from './log-config.ts';
import { LogEvents } from './log-events.ts';
import { saveRest } from './log-rest.ts';
import type { LogSlice, ReadLimits } from './log-slice.ts';
import type { Found, LogState } from './log-state.ts';
import { LogSyncer } from './log-syncer.ts';
import { LogView } from './log-view.ts';
import { beginSegment, LogWriter } from './log-writer.ts';
import { type DamagedRange, PartitionReader, type TimedOffset } from './partition-reader.ts';
import { hashRange, type RangeHash } from './range-hash.ts';
import type { Mismatch, ReplicaAppend } from './replica-append.ts';
import { isActiveExpired, moveLogStart, retainedStart } from './retention.ts';
import { SerialLane } from './serial-lane.ts';
import { truncateLog } from './truncation.ts';
import { WriteUndo } from './write-undo.ts';

/**
 * The log of one partition on this node. Appends are taken synchronously, in one turn from check to offset; writing,
 * syncing and reading go on behind. It knows nothing of other replicas: the high watermark is told to it.
 */
export class PartitionLog extends LogView {
  readonly found: Found;
  readonly #context: DirectoryContext;
  readonly #state: LogState;
  readonly #writing = new SerialLane();
  readonly #syncing = new SerialLane();
  readonly #appender: LogAppender;
  readonly #syncer: LogSyncer;
  readonly #reader: PartitionReader;
  readonly #undo: WriteUndo;
  readonly #events = new LogEvents();
  #config: LogConfig;
  #flushTimer = false;

  constructor(context: DirectoryContext, state: LogState, found: Found, config: LogConfig) {
    super(state);
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
    this.#undo = new WriteUndo(context, state, this.#syncing, () => {
      this.#appender.replan();
      this.#syncer.request();
    });
    this.#syncer = new LogSyncer(
      context,
      state,
      this.#syncing,
      (end) => this.#noteDurable(end),
      (error) => {
        this.stopLeading();
        this.#events.writeFailed.tell(state.durableEnd, error);
      },
    );
    this.#reader = new PartitionReader(context, state, (range) => this.#events.damage.tell(range));
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

  /**
   * Raises the fencing token, as `append` with a higher one does, without a batch. Returns the offset behind the control record
   * that raised it to this one, now or before. Throws FENCED_TOKEN when it lies below the one in force; a MoldauError of
   * `admit` or of its own when nothing was taken.
   */
  raiseToken(token: bigint, admit: () => void): Offset {
    return this.#appender.raiseToken(token, admit, this.#config);
  }

  /**
   * Appends a piece of the leader's log as it is. Synchronous like `append`; undefined: the bytes are taken. Else why they do
   * not continue this log exactly: nothing was taken then.
   */
  appendReplica(piece: ReplicaAppend): Mismatch | undefined {
    return this.#appender.appendReplica(piece, this.#config);
  }

  /** Called after each completed sync that moved the durable end, in the order of offsets. */
  onDurable(callback: (durableEnd: Offset) => void): void {
    this.#events.durable.add(callback);
  }

  /** Called when something was written in full. */
  onWritten(callback: (writtenEnd: Offset) => void): void {
    this.#events.written.add(callback);
  }

  /**
   * Called when a write has failed: nothing at or above `from` is there, or the directory has failed and nobody knows.
   * A leader's appends are refused from then on, until `lead` begins a newer epoch: an offset is never reused within one.
   */
  onWriteFailed(callback: (from: Offset, error: FileError) => void): void {
    this.#events.writeFailed.add(callback);
  }

  /** Called when a read has met damage. */
  onDamage(callback: (range: DamagedRange) => void): void {
    this.#events.damage.add(callback);
  }

  advanceHighWatermark(to: Offset): void {
    const state = this.#state;
    assert(to >= state.highWatermark, `the high watermark of ${state.name} never goes back`);
    assert(to <= state.durableEnd, `the high watermark of ${state.name} stays below the durable end`);
    if (to === state.highWatermark) return;
    state.highWatermark = to;
    this.#context.checkpoint.markDirty();
  }

  /** A follower's: as high as its leader says, as far as this copy is durable (I6). Returns whether it has moved. */
  followHighWatermark(leaderHighWatermark: Offset): boolean {
    const { durableEnd, highWatermark } = this.#state;
    const to = leaderHighWatermark < durableEnd ? leaderHighWatermark : durableEnd;
    if (to <= highWatermark) return false;
    this.advanceHighWatermark(to);
    return true;
  }

  /**
   * What lies in the tail cache from `from` on; undefined when that is not there. To be used before the caller waits for
   * anything: the memory of what leaves the cache is freed.
   */
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
    const tail = this.readTail(from, limits);
    if (tail === undefined) return this.#reader.read(from, limits, limits.signal);
    return { ...tail, chunks: tail.chunks.map((chunk) => new Uint8Array(chunk)) };
  }

  /**
   * What [from, to) holds on this disk, to be compared with another copy: see `hashRange`. Errors: CORRUPT_DATA with the
   * damaged range; OFFSET_OUT_OF_RANGE; NOT_SERVING when the log was cut meanwhile.
   */
  hashRange(from: Offset, to: Offset, signal?: AbortSignal): Promise<RangeHash> {
    return hashRange(this.#state, this.#reader, from, to, signal);
  }

  /**
   * The first record of that time or later; undefined when there is none. It may lie above the high watermark.
   * Errors: CORRUPT_BATCH when the batch that should hold it can't be decoded.
   */
  offsetForTimestamp(timestampMs: Millis): Promise<TimedOffset | undefined> {
    return this.#reader.recordOfTime(timestampMs);
  }

  /** Lets the log start at `before`, durably; whole segments below leave the disk. */
  trim(before: Offset): Promise<void> {
    return this.#exclusively(async () => {
      const { logStart, highWatermark } = this.#state;
      if (before > highWatermark) throw faults.offsetOutOfRange(before, logStart, highWatermark);
      await moveLogStart(this.#context, this.#state, before);
    });
  }

  /**
   * Lets the log start of a follower follow its leader's, durably, as far as this copy reaches. What is below a leader's log
   * start is committed: the high watermark comes along.
   */
  async advanceLogStart(before: Offset): Promise<void> {
    this.followHighWatermark(before);
    if (before <= this.#state.logStart || this.#state.durableEnd <= this.#state.logStart) return;
    await this.#exclusively(() => {
      this.followHighWatermark(before);
      const { highWatermark } = this.#state;
      return moveLogStart(this.#context, this.#state, before < highWatermark ? before : highWatermark);
    });
  }

  /** A leader removes segments by age and size, never above the high watermark. Silent producers are forgotten. */
  async applyRetention(nowMs: Millis): Promise<void> {
    this.#state.producers.expire(nowMs - this.#config.producerExpiryMs);
    if (this.#config.retentionMs === undefined && this.#config.retentionBytes === undefined) return;
    // A copy begins where its leader's log does.
    if (this.#state.leading === undefined) return;
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

  /** Whether enough has come since the last compaction, and the topic asks for it. */
  isCompactionDue(nowMs: Millis): boolean {
    return this.#config.compaction !== undefined && isCompactionDue(this.#state, nowMs);
  }

  /**
   * Removes, of what is committed and lies in whole segments, every record that is not the last of its key. Appends and reads
   * go on. Rejects with CompactionAbandoned when the log changes otherwise meanwhile, or is damaged; it is whole in any case.
   */
  async compact(
    given: Omit<CompactionRun, 'context' | 'state' | 'segmentBytes' | 'deleteRetentionMs' | 'exclusively'>,
  ): Promise<void> {
    const { compaction, segmentBytes } = this.#config;
    if (compaction === undefined) return;
    try {
      await compactLog({
        ...given,
        ...compaction,
        context: this.#context,
        state: this.#state,
        segmentBytes,
        exclusively: (task) => this.#exclusively(task),
      });
    } catch (error) {
      if (error instanceof CompactionAbandoned && error.damage !== undefined) this.#events.damage.tell(error.damage);
      throw error;
    }
  }

  /**
   * Resolves when everything that was appended before the call survives power loss, whatever the flush mode. Rejects with the
   * FileError when some of it does not, or never will.
   */
  async syncAll(): Promise<void> {
    const { lastError } = this.#undo;
    await this.#exclusively(() => this.#syncer.syncAll());
    const error = this.#context.fs.failure ?? this.#undo.lastError;
    if (error !== undefined && error !== lastError) throw error;
  }

  /**
   * Cuts the end of the log down to the last batch boundary at or below `to`: files, epochs and producers together. Takes no
   * appends meanwhile, and leads no more. Returns where the log ends.
   */
  truncate(to: Offset): Promise<Offset> {
    return this.#cut(async () => {
      const state = this.#state;
      if (to >= state.logEnd) return state.logEnd;
      await this.#syncer.syncAll();
      await truncateLog(this.#context, state, to);
      this.#appender.replan();
      return state.logEnd;
    });
  }

  /**
   * Throws the whole copy away, damaged or not, and begins anew, empty, at `to`: the log starts and ends there, and so do the
   * durable end and the high watermark. A crash in between leaves an empty copy that is corrupt until it is reset again.
   */
  reset(to: Offset, inherited: Inherited = {}): Promise<void> {
    return this.#cut(async () => {
      this.#syncer.forget();
      await resetLog(this.#context, this.#state, to, inherited);
      this.#appender.replan();
    });
  }

  /** Notes, durably, that this copy is damaged: it is found corrupt at every start, until it is reset. */
  async markCorrupt(): Promise<void> {
    this.#state.corrupt = true;
    // Written later if not now.
    this.#context.checkpoint.markDirty();
    await this.#context.checkpoint.writeNow();
  }

  /** The copy has everything that it may be counted for: a start that found it unclean or doubtful is forgotten. */
  vouch(): void {
    if (this.#state.doubt === undefined) return;
    this.#state.doubt = undefined;
    this.#context.checkpoint.markDirty();
  }

  /** Writes and syncs everything; keeps what makes the next start quick. */
  async close(): Promise<void> {
    this.stopLeading();
    this.#state.ending = true;
    this.#syncer.close();
    await this.#exclusively(async () => {
      const state = this.#state;
      if (this.#context.fs.failure !== undefined) return;
      // A cut that found no space is left to the next start, as the checkpoint has it.
      if (state.truncateTo !== undefined || state.resetTo !== undefined) return;
      await this.#syncer.syncAll();
      await saveRest(this.#context, state);
    });
  }

  /** Lets go of everything: the files are about to be removed. Reads answer NOT_SERVING from now on. */
  async discard(): Promise<void> {
    this.stopLeading();
    this.#syncer.close();
    this.#state.ending = true;
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

  /** For the directory, which makes it durable. */
  noteStoredEpoch(epoch: LeaderEpoch): void {
    if (epoch > this.#state.storedEpoch) this.#state.storedEpoch = epoch;
  }

  /** What moves the end: nothing is appended from the call on until it is done. */
  async #cut<T>(task: () => Promise<T>): Promise<T> {
    const state = this.#state;
    this.stopLeading();
    state.cuts += 1;
    try {
      return await this.#exclusively(async () => {
        this.stopLeading();
        if (this.#context.fs.failure !== undefined) throw this.#context.fs.failure;
        return task();
      });
    } finally {
      state.cuts -= 1;
    }
  }

  #exclusively<T>(task: () => Promise<T>): Promise<T> {
    return this.#writing.run(() => this.#syncing.run(task));
  }

  #noteWritten(): void {
    const state = this.#state;
    this.#events.written.tell(state.writtenEnd);
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
    this.#events.durable.tell(end);
  }

  async #undoWrites(error: FileError): Promise<void> {
    const from = await this.#undo.undo(error);
    this.#events.writeFailed.tell(from, this.#context.fs.failure ?? error);
  }
}
