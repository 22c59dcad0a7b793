import { type Clock, type Millis, sleep, type Timers } from '@moldau/kernel';

/** Longer than this the loop is not kept: it carries heartbeats. */
const sliceMs: Millis = 5;
/** What was not used is not saved up. */
const burstMs: Millis = 100;

/** Holds work in the background down: to a rate of bytes, and to slices of time. Rejects when the signal is aborted. */
export class Pace {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #bytesPerSecondMax: number;
  readonly #signal: AbortSignal;
  #dueMs: Millis;
  #sliceStartMs: Millis;

  constructor(clock: Clock, timers: Timers, bytesPerSecondMax: number, signal: AbortSignal) {
    this.#clock = clock;
    this.#timers = timers;
    this.#bytesPerSecondMax = bytesPerSecondMax;
    this.#signal = signal;
    this.#dueMs = clock.monotonicMs();
    this.#sliceStartMs = this.#dueMs;
  }

  /** So much was read or written: waits until the next bytes are due. */
  async spend(bytes: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    this.#dueMs = Math.max(this.#dueMs, nowMs - burstMs) + (bytes * 1_000) / this.#bytesPerSecondMax;
    if (this.#dueMs - nowMs >= sliceMs) await this.#rest(this.#dueMs - nowMs);
    else await this.breathe();
  }

  /** Lets others have their turn if it is theirs. */
  async breathe(): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#clock.monotonicMs() - this.#sliceStartMs >= sliceMs) await this.#rest(0);
  }

  async #rest(ms: Millis): Promise<void> {
    await sleep(this.#timers, ms, this.#signal);
    this.#sliceStartMs = this.#clock.monotonicMs();
  }
}
