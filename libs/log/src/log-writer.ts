import { assert, ByteQueue, FileError, type Offset } from '@moldau/kernel';
import type { DirectoryContext } from './directory-context.ts';
import { saveEpochs } from './epoch-file.ts';
import { indexBatches, loadIndex, saveIndex } from './index-cache.ts';
import type { LogState } from './log-state.ts';
import { saveSnapshot } from './producers/snapshot-files.ts';
import { Segment } from './segment.ts';
import { SegmentIndex } from './segment-index.ts';
import type { SerialLane } from './serial-lane.ts';

/** One append on its way to the disk. */
export interface WriteEntry {
  readonly base: Offset;
  readonly next: Offset;
  readonly bytes: Uint8Array;
  /** A new segment begins with this entry. */
  readonly rolls: boolean;
  /** The producers as of `base`, where they are to be kept. */
  readonly snapshot: Uint8Array | undefined;
  /** The epochs are saved before it is written. */
  readonly savesEpochs: boolean;
}

const queueBytes = 64 * 1024 * 1024;
const gatherBytes = 8 * 1024 * 1024;

/** Writes one partition's entries in their order: everything that is queued goes out as one write. */
export class LogWriter {
  readonly #context: DirectoryContext;
  readonly #state: LogState;
  readonly #lane: SerialLane;
  readonly #onWritten: () => void;
  readonly #onFailed: (error: FileError) => Promise<void>;
  readonly #queue = new ByteQueue<WriteEntry>(queueBytes, (entry) => entry.bytes.length);
  #next: WriteEntry | undefined;
  #running = false;

  constructor(
    context: DirectoryContext,
    state: LogState,
    lane: SerialLane,
    /** Called when writtenEnd has moved. */
    onWritten: () => void,
    /** Undoes what a failed write has begun. */
    onFailed: (error: FileError) => Promise<void>,
  ) {
    this.#context = context;
    this.#state = state;
    this.#lane = lane;
    this.#onWritten = onWritten;
    this.#onFailed = onFailed;
  }

  /** Whether an entry of that size fits into the queue now. */
  hasRoomFor(sizeBytes: number): boolean {
    return this.#queue.length === 0 || this.#queue.bytes + sizeBytes <= queueBytes;
  }

  get limitBytes(): number {
    return queueBytes;
  }

  push(entry: WriteEntry): void {
    assert(this.#queue.push(entry), 'the append looked for room first');
    if (this.#running) return;
    this.#running = true;
    // The lane's task settles its own errors; what it throws is a bug, and shall be seen as one.
    void this.#lane.run(() => this.#writeAll());
  }

  async #writeAll(): Promise<void> {
    try {
      for (let group = this.#gather(); group.length > 0; group = this.#gather()) await this.#write(group);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.#queue.drain();
      this.#next = undefined;
      await this.#onFailed(error);
    } finally {
      this.#running = false;
    }
  }

  /** The entries of the next write: up to one that needs a preparation of its own. */
  #gather(): WriteEntry[] {
    const group: WriteEntry[] = [];
    let bytes = 0;
    for (;;) {
      this.#next ??= this.#queue.shift();
      const entry = this.#next;
      if (entry === undefined) return group;
      const divides = group.length > 0 && (entry.rolls || entry.snapshot !== undefined);
      if (divides || (group.length > 0 && bytes + entry.bytes.length > gatherBytes)) return group;
      group.push(entry);
      bytes += entry.bytes.length;
      this.#next = undefined;
    }
  }

  async #write(group: readonly WriteEntry[]): Promise<void> {
    const first = group[0];
    const last = group.at(-1);
    if (first === undefined || last === undefined) return;
    const { fs, appenders } = this.#context;
    if (first.snapshot !== undefined) await saveSnapshot(fs, this.#state, first.base, first.snapshot);
    if (group.some((entry) => entry.savesEpochs)) await saveEpochs(fs, this.#state);
    const segment = await this.#segmentFor(first);
    appenders.hold(segment.path);
    await appenders.use(segment.path, (file) => {
      assert(file.sizeBytes === segment.sizeBytes, `${segment.path} has another size than what was written to it`);
      return file.append(group.map((entry) => entry.bytes));
    });
    // A sync of what was there before may have let it go meanwhile.
    appenders.hold(segment.path);
    for (const entry of group) {
      if (segment.index !== undefined) indexBatches(segment.index, entry.bytes);
      segment.sizeBytes += entry.bytes.length;
      this.#state.tail.put(entry.base, entry.next, entry.bytes);
    }
    segment.nextOffset = last.next;
    this.#state.writtenEnd = last.next;
    this.#onWritten();
  }

  /** The active segment, ready for the entry: with its index, or a new one. */
  async #segmentFor(entry: WriteEntry): Promise<Segment> {
    const active = this.#state.active;
    // Retention may have begun the very segment that this entry was to begin: one file, one segment.
    if (active !== undefined && active.baseOffset === entry.base && active.sizeBytes === 0) return active;
    if (active !== undefined && !entry.rolls && active.nextOffset === entry.base) {
      const index = await loadIndex(this.#context, active);
      this.#context.indexes.forget(active);
      // An index that stops before the end has met damage: nothing is appended behind that.
      if (index.coveredBytes === active.sizeBytes) return active;
    }
    return beginSegment(this.#context, this.#state, entry.base);
  }
}

/** Ends the active segment and begins a new one at `base`. The name is made durable by the next sync. */
export async function beginSegment(context: DirectoryContext, state: LogState, base: Offset): Promise<Segment> {
  const sealed = state.active;
  const segment = new Segment(state.directory, base, {
    sizeBytes: 0,
    nextOffset: base,
    sinceMs: context.clock.wallMs(),
  });
  segment.nameSynced = false;
  await context.appenders.use(segment.path, async (file) => {
    if (file.sizeBytes > 0) await file.truncate(0);
  });
  if (sealed !== undefined) {
    // The index can be rebuilt: a full disk is no reason to fail here.
    await saveIndex(context, sealed).catch(() => {});
    context.indexes.touch(sealed);
  }
  segment.index = new SegmentIndex(base);
  state.segments.push(segment);
  return segment;
}
