import type { Timers } from '@moldau/kernel';
import { MortalTimers } from './mortal-timers.ts';

/**
 * One process of a simulated machine. Everything that could wake its code passes through here: its timers, and what the
 * disk and the store answer. While it is paused nothing of that arrives; once it has died nothing ever does.
 */
export class SimulatedProcess {
  readonly timers: MortalTimers;
  #state: 'running' | 'paused' | 'dead' = 'running';
  /** What came during the pause. */
  #held: (() => void)[] = [];

  constructor(timers: Timers) {
    this.timers = new MortalTimers(timers);
  }

  get isPaused(): boolean {
    return this.#state === 'paused';
  }

  /** The answer to something that the process asked for: it comes when the process can take it. */
  answer<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.#deliver(() => resolve(value)),
        (error: unknown) => this.#deliver(() => reject(error)),
      );
    });
  }

  /** It stands still, as under SIGSTOP. */
  pause(): void {
    if (this.#state !== 'running') return;
    this.#state = 'paused';
    this.timers.pause();
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    for (const deliver of this.#held.splice(0)) deliver();
    this.timers.resume();
  }

  kill(): void {
    this.#state = 'dead';
    this.#held = [];
    this.timers.kill();
  }

  #deliver(deliver: () => void): void {
    if (this.#state === 'running') deliver();
    else if (this.#state === 'paused') this.#held.push(deliver);
  }
}
