import { FileError, type Offset } from '@moldau/kernel';
import type { DirectoryContext } from './directory-context.ts';
import { saveEpochs } from './epoch-file.ts';
import type { FilePlace, LogState } from './log-state.ts';
import type { SerialLane } from './serial-lane.ts';
import type { Syncable } from './sync-rounds.ts';

/** After a sync that found no space for a small file. */
const retryMs = 1_000;

/** What a sync has covered. */
interface Covered {
  readonly end: Offset;
  readonly place: FilePlace;
}

/**
 * Syncs one partition's files. Two things follow, in this order: the batches count as durable, and may be acknowledged;
 * then the checkpoint may say so, which waits for the epoch file, because recovery reads no headers below that point.
 */
export class LogSyncer implements Syncable {
  readonly #context: DirectoryContext;
  readonly #state: LogState;
  readonly #lane: SerialLane;
  readonly #onDurable: (end: Offset) => void;
  readonly #onFailed: (error: FileError) => void;
  readonly #epochs: Syncable = { sync: () => this.#guarded(() => this.#noteCovered()) };
  #covered: Covered | undefined;
  #closed = false;

  constructor(
    context: DirectoryContext,
    state: LogState,
    lane: SerialLane,
    onDurable: (end: Offset) => void,
    onFailed: (error: FileError) => void,
  ) {
    this.#context = context;
    this.#state = state;
    this.#lane = lane;
    this.#onDurable = onDurable;
    this.#onFailed = onFailed;
  }

  /** Something was written: the next round takes it. */
  request(): void {
    if (!this.#closed) this.#context.rounds.request(this);
  }

  /** No more rounds. */
  close(): void {
    this.#closed = true;
  }

  /** One step of a sync round. */
  async sync(): Promise<void> {
    await this.#guarded(async () => {
      await this.#syncFiles();
      if (this.#state.epochsSaved) await this.#noteCovered();
      else this.#context.epochRounds.request(this.#epochs);
    });
  }

  /** Syncs everything, epochs too. The caller holds the lane. */
  async syncAll(): Promise<void> {
    await this.#syncFiles();
    await this.#noteCovered();
  }

  /** What was synced is gone: the checkpoint is not to speak of it. The caller holds the lane. */
  forget(): void {
    this.#covered = undefined;
  }

  /** A failure is final for the directory, but for a lack of space: that is tried again. */
  async #guarded(task: () => Promise<void>): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#lane.run(task);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      if (this.#context.fs.failure === undefined) this.#context.timers.after(retryMs, () => this.request());
      else this.#onFailed(error);
    }
  }

  async #syncFiles(): Promise<void> {
    const state = this.#state;
    const { active, writtenEnd: end } = state;
    if (active === undefined) return;
    const place = { segment: active.baseOffset, position: active.sizeBytes };
    const dirty = state.segments.filter((segment) => !segment.isSynced);
    for (const segment of dirty) {
      const size = segment.sizeBytes;
      await this.#context.appenders.use(segment.path, (file) => file.sync());
      segment.syncedBytes = size;
      if (segment.syncedBytes === segment.sizeBytes) this.#context.appenders.letGo(segment.path);
    }
    if (dirty.some((segment) => !segment.nameSynced)) {
      await this.#context.fs.syncDirectory(state.directory);
      for (const segment of dirty) segment.nameSynced = true;
    }
    this.#covered = { end, place };
    this.#onDurable(end);
  }

  async #noteCovered(): Promise<void> {
    const covered = this.#covered;
    if (covered === undefined) return;
    await saveEpochs(this.#context.fs, this.#state);
    this.#covered = undefined;
    this.#state.noteSynced(covered.end, covered.place);
    this.#context.checkpoint.markDirty();
  }
}
