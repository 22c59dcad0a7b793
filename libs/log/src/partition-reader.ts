import { assert, FileError, faults, type Millis, MoldauError, type Offset } from '@moldau/kernel';
import { readRecords } from '@moldau/records';
import { findBatch, type WalkedBatch, type WalkOptions, walkBatches } from './batch-walk.ts';
import { holeBatch, isHole } from './compaction/empty-batch.ts';
import type { DirectoryContext } from './directory-context.ts';
import { loadIndex } from './index-cache.ts';
import type { LogSlice, ReadLimits } from './log-slice.ts';
import type { LogState } from './log-state.ts';
import type { Segment } from './segment.ts';
import type { Place } from './segment-index.ts';

const windowMin = 64 * 1024;
const windowMax = 512 * 1024;

/** A range of offsets that can't be read from disk. */
export interface DamagedRange {
  readonly from: Offset;
  readonly to: Offset;
}

/** A record's place and time. */
export interface TimedOffset {
  readonly offset: Offset;
  readonly timestampMs: Millis;
}

/**
 * Reads one partition from disk. The CRC of everything is checked each time that it is read: at gigabytes a second that
 * costs less than remembering what was checked before.
 */
export class PartitionReader {
  readonly #context: DirectoryContext;
  readonly #state: LogState;
  readonly #onDamage: (range: DamagedRange) => void;

  constructor(context: DirectoryContext, state: LogState, onDamage: (range: DamagedRange) => void) {
    this.#context = context;
    this.#state = state;
    this.#onDamage = onDamage;
  }

  async read(from: Offset, limits: ReadLimits, signal: AbortSignal | undefined): Promise<LogSlice> {
    return this.#cold(async () => {
      for (;;) {
        signal?.throwIfAborted();
        const state = this.#state;
        while (state.swapping !== undefined) await state.swapping.wait();
        if (state.removed) throw faults.notServing(state.name, 'being removed');
        if (from < state.logStart || from > state.logEnd)
          throw faults.offsetOutOfRange(from, state.logStart, state.logEnd);
        const below = limits.below < state.writtenEnd ? limits.below : state.writtenEnd;
        if (from >= below) return { chunks: [], nextOffset: from, sizeBytes: 0 };
        const before = state.truncations;
        const outcome = await this.#readOnce(from, { ...limits, below });
        const isThere = outcome !== undefined && 'chunks' in outcome;
        // What a cut has taken is not missing, and the rest comes back when it is done.
        if (!isThere && state.cuts > 0) throw faults.notServing(state.name, 'being cut');
        // Cut meanwhile: neither what was read nor what was missing says anything.
        if (outcome === undefined || before !== state.truncations) continue;
        if ('chunks' in outcome) return outcome;
        assert(outcome.from < outcome.to, 'a damaged range holds something');
        this.#onDamage(outcome);
        throw faults.corruptData(state.name, outcome.from, outcome.to);
      }
    });
  }

  /** The first record, at or above the log start, of that time or later. */
  async recordOfTime(timestampMs: Millis): Promise<TimedOffset | undefined> {
    return this.#cold(async () => {
      for (let from = this.#state.logStart; ; ) {
        while (this.#state.swapping !== undefined) await this.#state.swapping.wait();
        const segment = this.#state.segmentOf(from) ?? this.#state.segments[0];
        if (segment === undefined) return undefined;
        try {
          const found = await this.#recordOfTimeIn(segment, timestampMs);
          if (found !== undefined) return found;
          // Retention or compaction took it meanwhile, and it may not have been looked at as a whole.
          if (segment.removed) continue;
        } catch (error) {
          if (!(segment.removed && error instanceof FileError)) throw error;
          continue;
        }
        if (segment === this.#state.active) return undefined;
        from = segment.nextOffset;
      }
    });
  }

  async #recordOfTimeIn(segment: Segment, timestampMs: Millis): Promise<TimedOffset | undefined> {
    const index = await loadIndex(this.#context, segment);
    this.#keep(segment);
    if (index.maxTimestamp < timestampMs) return undefined;
    let found: TimedOffset | undefined;
    const window = { windowBytes: windowMin, checkCrc: false };
    await this.#walk(segment, index.placeOfTime(timestampMs), window, (batch) => {
      const isBefore = batch.header.maxTimestamp < timestampMs;
      if (!isBefore) found = firstOfTime(batch, timestampMs, this.#state.logStart);
      return found === undefined;
    });
    return found;
  }

  /** One read of several at a time. A disk that does not give what it holds is told as what it is. */
  async #cold<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await this.#context.coldReads.use(read);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      throw new MoldauError(
        'STORAGE_FAILED',
        `the disk under ${this.#state.name} failed during a read: retry`,
        {},
        { cause: error },
      );
    }
  }

  /** Undefined: the segment went away meanwhile. */
  async #readOnce(from: Offset, limits: ReadLimits): Promise<LogSlice | DamagedRange | undefined> {
    const segment = this.#state.segmentOf(from);
    if (segment === undefined) return { from, to: this.#state.segments[0]?.baseOffset ?? this.#state.logEnd };
    try {
      const index = await loadIndex(this.#context, segment);
      this.#keep(segment);
      const outcome = await this.#readSegment(segment, index.placeOf(from), from, limits);
      // Another file may have taken its place, to which its index is no guide.
      return segment.removed && !('chunks' in outcome) ? undefined : outcome;
    } catch (error) {
      if (segment.removed && error instanceof FileError) return undefined;
      if (error instanceof FileError && error.code === 'ENOENT') {
        return { from: segment.baseOffset, to: segment.nextOffset };
      }
      throw error;
    }
  }

  async #readSegment(
    segment: Segment,
    start: Place,
    from: Offset,
    limits: ReadLimits,
  ): Promise<LogSlice | DamagedRange> {
    const windowBytes = Math.min(windowMax, Math.max(windowMin, limits.maxBytes));
    for (let place = start; ; ) {
      const gathered = new Gathered(from, limits);
      const walked = await this.#walk(
        segment,
        place,
        { windowBytes, checkCrc: true, wantedBytes: (nextBytes) => gathered.wantedBytes(nextBytes) },
        (batch) => gathered.take(batch),
      );
      if (gathered.sizeBytes > 0 || walked.kind === 'stopped') return gathered.slice();
      // Nothing was there although something belongs there: the log is damaged from where the walk ended.
      const behind =
        walked.kind === 'bad' ? await this.#behindDamage(segment, walked.position, walked.offset) : undefined;
      const to = behind?.offset ?? segment.nextOffset;
      if (behind === undefined || from < to) return { from: walked.offset, to };
      place = behind;
    }
  }

  async #walk(
    segment: Segment,
    place: Place,
    options: Pick<WalkOptions, 'windowBytes' | 'checkCrc' | 'wantedBytes'>,
    visit: (batch: WalkedBatch) => boolean,
  ) {
    let wrongEpoch = false;
    const walked = await this.#context.readers.use(segment.path, (file) =>
      walkBatches(
        {
          read: (position, target) => file.read(position, target),
          position: place.position,
          endPosition: segment.sizeBytes,
          offset: place.offset,
          ...options,
        },
        (batch) => {
          // The epoch lies outside the CRC: the epoch file vouches for it.
          const epoch = this.#state.epochs.epochOf(batch.header.baseOffset as Offset);
          wrongEpoch = epoch !== undefined && epoch !== batch.header.leaderEpoch;
          return !wrongEpoch && visit(batch);
        },
      ),
    );
    return wrongEpoch ? { ...walked, kind: 'bad' as const } : walked;
  }

  async #behindDamage(segment: Segment, position: number, offset: Offset): Promise<Place | undefined> {
    return this.#context.readers.use(segment.path, (file) =>
      findBatch(
        {
          read: (at, target) => file.read(at, target),
          position: position + 1,
          endPosition: segment.sizeBytes,
        },
        (header) => header.baseOffset > offset && header.nextOffset <= segment.nextOffset,
      ),
    );
  }

  #keep(segment: Segment): void {
    if (segment !== this.#state.active && !segment.removed) this.#context.indexes.touch(segment);
  }
}

/** The first record of a batch that is not below `start`, and not older than `timestampMs`. */
function firstOfTime(
  { bytes, at, sizeBytes }: WalkedBatch,
  timestampMs: Millis,
  start: Offset,
): TimedOffset | undefined {
  const record = readRecords(bytes.subarray(at, at + sizeBytes)).find(
    (candidate) => candidate.offset >= start && candidate.timestampMs >= timestampMs,
  );
  return record && { offset: record.offset, timestampMs: record.timestampMs };
}

/** Collects what a read gives: neighbours in one buffer stay one chunk. */
class Gathered {
  readonly #from: Offset;
  readonly #limits: ReadLimits;
  readonly #chunks: Uint8Array[] = [];
  #buffer: Uint8Array | undefined;
  #start = 0;
  #end = 0;
  #nextOffset: Offset;
  sizeBytes = 0;

  constructor(from: Offset, limits: ReadLimits) {
    this.#from = from;
    this.#limits = limits;
    this.#nextOffset = from;
  }

  /** How many bytes still fit, if the next batch does. Before the first one more: that is taken whatever its size. */
  wantedBytes(nextBytes: number): number {
    const { maxBytes } = this.#limits;
    if (this.sizeBytes === 0) return Math.max(windowMin, maxBytes);
    const left = maxBytes - this.sizeBytes;
    return nextBytes > left ? 0 : left;
  }

  /** False: the read is full, and the batch not taken. */
  take({ header, bytes, at, sizeBytes }: WalkedBatch): boolean {
    if (header.nextOffset <= this.#from) return true;
    if (header.nextOffset > this.#limits.below) return false;
    if (this.sizeBytes > 0 && this.sizeBytes + sizeBytes > this.#limits.maxBytes) return false;
    if (bytes !== this.#buffer) {
      this.#flush();
      this.#buffer = bytes;
      this.#start = at;
    }
    // A copy whose end lies within the hole goes on there.
    if (header.baseOffset < this.#from && isHole(header)) {
      bytes.set(holeBatch(this.#from, header.nextOffset, header.leaderEpoch), at);
    }
    this.#end = at + sizeBytes;
    this.sizeBytes += sizeBytes;
    this.#nextOffset = header.nextOffset as Offset;
    return true;
  }

  slice(): LogSlice {
    this.#flush();
    return { chunks: this.#chunks, nextOffset: this.#nextOffset, sizeBytes: this.sizeBytes };
  }

  #flush(): void {
    if (this.#buffer !== undefined) this.#chunks.push(this.#buffer.subarray(this.#start, this.#end));
    this.#buffer = undefined;
  }
}
