import type { Clock, MoldauError } from '@moldau/kernel';

/** Counts bytes that someone keeps. */
export interface ByteCount {
  hold(bytes: number): void;
  free(bytes: number): void;
}

/** Where a stream counts what it holds. */
export interface StreamMemory {
  /** What came in, and is not handled. */
  readonly received: ByteCount;
  /** What is to go out, and is not taken. */
  readonly unsent: ByteCount;
  /** Others hold much already: a stream buffers as little as it can. */
  readonly isShort: boolean;
}

const nowhere: ByteCount = { hold() {}, free() {} };

/** For clients: what they hold is bounded by what they ask for. */
export const uncounted: StreamMemory = { received: nowhere, unsent: nowhere, isShort: false };

/** What a call tells its budget. */
export interface CallMemoryEvents {
  changed(bytes: number): void;
  ended(): void;
  /** Throws OVERLOADED. */
  requireRoom(): void;
  isShort(): boolean;
}

/** Whoever stands still for this long counts with all that he holds; before, with a part of it. */
const stillMs = 1_000;

/** What a call holds in one direction. */
class Holding implements ByteCount {
  readonly #clock: Clock;
  readonly #changed: (bytes: number) => void;
  #bytes = 0;
  #movedAtMs = 0;
  #ended = false;

  constructor(clock: Clock, changed: (bytes: number) => void) {
    this.#clock = clock;
    this.#changed = changed;
  }

  hold(bytes: number): void {
    if (this.#ended || bytes === 0) return;
    if (this.#bytes === 0) this.#movedAtMs = this.#clock.monotonicMs();
    this.#bytes += bytes;
    this.#changed(bytes);
  }

  free(bytes: number): void {
    if (this.#ended || bytes === 0) return;
    this.#movedAtMs = this.#clock.monotonicMs();
    this.#bytes -= bytes;
    this.#changed(-bytes);
  }

  /** Byte-milliseconds: who holds much and moves on weighs less than who holds as much and stands still. */
  weightAt(nowMs: number): number {
    return this.#bytes * Math.min(Math.max(nowMs - this.#movedAtMs, 1), stillMs);
  }

  end(): void {
    this.free(this.#bytes);
    this.#ended = true;
  }
}

/** What one call holds, on a server. */
export class CallMemory implements StreamMemory {
  readonly received: ByteCount;
  readonly unsent: ByteCount;
  readonly #holdings: readonly Holding[];
  readonly #events: CallMemoryEvents;
  #onCut: (error: MoldauError) => boolean = () => false;
  #ended = false;

  constructor(clock: Clock, events: CallMemoryEvents) {
    this.#events = events;
    const received = new Holding(clock, events.changed);
    const unsent = new Holding(clock, events.changed);
    this.received = received;
    this.unsent = unsent;
    this.#holdings = [received, unsent];
  }

  get isShort(): boolean {
    return this.#events.isShort();
  }

  /** Throws OVERLOADED when a call like this one may not begin now. */
  requireRoom(): void {
    this.#events.requireRoom();
  }

  /** Names who ends the call when it holds too much. False: it may not be ended now. */
  onCut(callback: (error: MoldauError) => boolean): void {
    this.#onCut = callback;
  }

  /** Ends the call, and counts it no longer: what it holds is on its way out. False: it may not be ended now. */
  cut(error: MoldauError): boolean {
    if (this.#ended || !this.#onCut(error)) return false;
    this.end();
    return true;
  }

  weightAt(nowMs: number): number {
    return this.#holdings.reduce((sum, holding) => sum + holding.weightAt(nowMs), 0);
  }

  /** Nothing of the call is left. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const holding of this.#holdings) holding.end();
    this.#events.ended();
  }
}
