import type { CancelTimer, Millis, Timers } from '@moldau/kernel';

/** The timers of one process: none of them fires once it has died. */
export class MortalTimers implements Timers {
  readonly #timers: Timers;
  #isDead = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  after(afterMs: Millis, callback: () => void): CancelTimer {
    return this.#timers.after(afterMs, () => {
      if (!this.#isDead) callback();
    });
  }

  kill(): void {
    this.#isDead = true;
  }
}
