import { assert, hasReason, type LeaderEpoch, leaderEpoch, type Offset, offset } from '@moldau/kernel';
import type { LogSlice } from '@moldau/log';
import type { Position } from '@moldau/proto/moldau/log/v1/record_pb';
import type { Partition } from './partition.ts';
import { startOf } from './positions.ts';
import { cutHead, joined } from './slice-head.ts';

/** What a handle tells its session. */
export interface FetchHandleEvents {
  /** It has something to send, and waits for its turn. Not said again before `take`. */
  ready(): void;
  failed(error: unknown): void;
  diverged(epoch: number, end: Offset): void;
  gap(from: Offset, to: Offset): void;
  caughtUp(at: Offset): void;
  /** It keeps so many bytes more, or fewer. */
  keeps(moreBytes: number): void;
  /** A read has ended, or what it had read is dropped: it may hold no memory any more. */
  freed(): void;
}

/** Batches of one partition, as they go out. */
export interface FetchedEntry {
  readonly handle: number;
  readonly from: Offset;
  readonly batches: Uint8Array;
  readonly highWatermark: Offset;
  readonly lastStableOffset: Offset;
  readonly logStart: Offset;
  readonly generation: number;
}

/** What one handle takes at a time, whatever the client would take; a single batch may be larger. */
const frameBytesMax = 256 * 1024;

/**
 * One partition that a session reads: from the tail cache when its turn comes, or from the disk before its turn.
 * Whatever was under way when a seek came is dropped when it comes back.
 */
export class FetchHandle {
  readonly number: number;
  readonly #partition: Partition;
  readonly #maxBytes: number;
  readonly #events: FetchHandleEvents;
  readonly #unwatch: () => void;
  readonly #closing = new AbortController();
  /** The next offset to send. `undefined`: it is being looked up. */
  #next: Offset | undefined;
  #generation = 0;
  /** Counts starts and seeks: what began under an older one is void. */
  #course = 0;
  #paused = false;
  /** In the session's queue. */
  #queued = false;
  /** What comes next is not in the tail cache: it waits until it may read from the disk. */
  #isCold = false;
  /** Waits for the disk. */
  #reading = false;
  #loaded: LogSlice | undefined;
  /** What was taken last came from the disk. */
  #wasCold = false;
  #saidCaughtUpAt: Offset | undefined;

  constructor(number: number, partition: Partition, maxBytes: number, events: FetchHandleEvents) {
    this.number = number;
    this.#partition = partition;
    this.#maxBytes = maxBytes === 0 ? frameBytesMax : Math.min(maxBytes, frameBytesMax);
    this.#events = events;
    this.#unwatch = partition.watch(() => this.#advance());
  }

  /** The next offset to be sent. 0 while it is being looked up. */
  get next(): Offset {
    return this.#next ?? offset(0);
  }

  get generation(): number {
    return this.#generation;
  }

  get highWatermark(): Offset {
    return this.#partition.log.highWatermark;
  }

  /** Begins at `from`; but first says so when the client's log, which ends with `lastEpoch`, is not a part of ours. */
  start(from: Position | undefined, lastEpoch: number | undefined): void {
    const course = this.#changeCourse();
    startOf(this.#partition, from).then(
      (start) => {
        if (course === this.#course) this.#begin(start, lastEpoch);
      },
      (error: unknown) => {
        if (course === this.#course) this.#events.failed(error);
      },
    );
  }

  /** Goes on elsewhere. What is sent from now on carries `generation`. */
  seek(to: Position | undefined, generation: number): void {
    this.#generation = generation;
    this.start(to, undefined);
  }

  /** What it has read from the disk is dropped: it may be paused for long, and others wait for the memory. */
  pause(): void {
    this.#paused = true;
    this.#keep(undefined);
    this.#events.freed();
  }

  resume(): void {
    this.#paused = false;
    this.#advance();
  }

  close(): void {
    this.#changeCourse();
    this.#unwatch();
    this.#closing.abort();
  }

  /**
   * The next batches: at most so many bytes, but one whole batch. `undefined`: none now; it will say when. `cold`: they
   * must come from the disk, which takes memory: `load` begins that. Whoever has sent them calls `sent`: being caught
   * up is never said before what it rests on.
   */
  take(maxBytes: number): FetchedEntry | 'cold' | undefined {
    this.#queued = false;
    const from = this.#next;
    // What is being read says itself when it is there.
    if (from === undefined || this.#paused || this.#reading) return undefined;
    const limits = { maxBytes: Math.min(maxBytes, this.#maxBytes), below: this.highWatermark };
    const slice = this.#loaded ?? this.#partition.log.readTail(from, limits);
    if (slice === undefined) {
      this.#isCold = true;
      return 'cold';
    }
    // Of the tail cache nothing is left over: it was asked for no more than that.
    const { head, rest } = cutHead(slice, limits.maxBytes);
    this.#wasCold = this.#loaded !== undefined;
    assert(head.nextOffset > from, 'a read goes forward');
    assert(rest === undefined || this.#loaded !== undefined, 'what is kept was read from the disk');
    this.#keep(rest);
    this.#next = head.nextOffset;
    const { highWatermark, logStart } = this.#partition.log;
    return {
      handle: this.number,
      from,
      batches: joined(head.chunks),
      highWatermark,
      lastStableOffset: highWatermark,
      logStart,
      generation: this.#generation,
    };
  }

  /** Whether it holds bytes from the disk, or waits for them. */
  get holdsMemory(): boolean {
    return this.#reading || this.#loaded !== undefined;
  }

  /** Begins to read what `take` has called cold; says that it is ready when the bytes are there. False: nobody waits for it now. */
  load(): boolean {
    if (!this.#isCold) return false;
    this.#isCold = false;
    if (this.#next === undefined || this.#paused) return false;
    this.#load(this.#next);
    return true;
  }

  /** Reads on from the disk while what was taken from there is on its way, unless the tail cache has what comes next. */
  loadAhead(): void {
    const next = this.#next;
    if (!this.#wasCold || next === undefined || this.#paused || this.holdsMemory) return;
    if (next >= this.highWatermark) return;
    if (this.#partition.log.readTail(next, { maxBytes: 1, below: this.highWatermark }) === undefined) this.#load(next);
  }

  /** What was taken is on its way. The next turn comes behind those that wait already. */
  sent(): void {
    this.#advance();
  }

  #changeCourse(): number {
    this.#next = undefined;
    this.#keep(undefined);
    this.#isCold = false;
    this.#saidCaughtUpAt = undefined;
    this.#course += 1;
    return this.#course;
  }

  #begin(start: Offset, lastEpoch: number | undefined): void {
    const diverged = lastEpoch === undefined ? undefined : this.#divergence(start, leaderEpoch(lastEpoch));
    if (diverged !== undefined) return this.#events.diverged(diverged.epoch, diverged.end);
    this.#next = start;
    this.#advance();
  }

  /** How far the log of a client that ends at `start`, with this epoch, may be a part of ours. `undefined`: all of it is, as far as anybody knows. */
  #divergence(start: Offset, lastEpoch: LeaderEpoch): { epoch: LeaderEpoch; end: Offset } | undefined {
    const { log } = this.#partition;
    // Below the log start there is nothing to compare.
    if (start <= log.logStart) return undefined;
    // An epoch below all that we know of had ended where the first of them begins.
    const { epoch, end } = log.epochEnd(lastEpoch) ?? { epoch: leaderEpoch(0), end: log.epochsStart };
    return end !== undefined && end < start ? { epoch, end } : undefined;
  }

  /** Looks at what there is to do, whenever something has changed. */
  #advance(): void {
    if (this.#next === undefined || this.#paused || this.#queued || this.#isCold || this.#reading) return;
    const { log } = this.#partition;
    try {
      this.#partition.requireLeader();
    } catch (error) {
      this.#events.failed(error);
      return;
    }
    if (this.#next < log.logStart) {
      this.#events.gap(this.#next, log.logStart);
      this.#next = log.logStart;
      this.#keep(undefined);
    }
    if (this.#next >= log.highWatermark) {
      this.#sayCaughtUp(this.#next);
      return;
    }
    this.#queued = true;
    this.#events.ready();
  }

  #sayCaughtUp(at: Offset): void {
    if (this.#saidCaughtUpAt === at) return;
    this.#saidCaughtUpAt = at;
    this.#events.caughtUp(at);
  }

  #load(from: Offset): void {
    assert(!this.holdsMemory, 'nothing is read twice');
    const course = this.#course;
    const limits = { maxBytes: this.#maxBytes, below: this.highWatermark, signal: this.#closing.signal };
    this.#reading = true;
    this.#partition.log.read(from, limits).then(
      (slice) => {
        this.#reading = false;
        if (course === this.#course && !this.#paused) this.#keep(slice);
        this.#events.freed();
        this.#advance();
      },
      (error: unknown) => {
        this.#reading = false;
        this.#events.freed();
        // Retention came first: the next look at the log start says so as a gap.
        // Or the copy is damaged, and there is another one, which leads now.
        const hasMoved = this.#partition.role.kind !== 'leader';
        if (course !== this.#course || hasMoved || this.#isOvertaken(from, error)) this.#advance();
        else this.#events.failed(error);
      },
    );
  }

  #keep(slice: LogSlice | undefined): void {
    const moreBytes = (slice?.sizeBytes ?? 0) - (this.#loaded?.sizeBytes ?? 0);
    this.#loaded = slice;
    if (moreBytes !== 0) this.#events.keeps(moreBytes);
  }

  #isOvertaken(from: Offset, error: unknown): boolean {
    return hasReason(error, 'OFFSET_OUT_OF_RANGE') && from < this.#partition.log.logStart;
  }
}
