import { Gate } from './gate.ts';
import type { Millis } from './ids.ts';
import type { Timers } from './ports/time.ts';

/** For one loop that waits for work: a wake before the wait is not lost. */
export class Wakeup {
  readonly #gate = new Gate();
  #pending = false;

  wake(): void {
    this.#pending = true;
    this.#gate.open();
  }

  /** Resolves at the next wake, or after `atMostMs`. */
  async wait(timers: Timers, atMostMs: Millis): Promise<void> {
    if (!this.#pending) {
      const cancel = timers.after(atMostMs, () => this.#gate.open());
      await this.#gate.wait();
      cancel();
    }
    this.#pending = false;
  }
}
