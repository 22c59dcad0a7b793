import type { CancelTimer, Clock, Millis, Timers } from '@moldau/kernel';

/** Time that passes only when a test says so. */
export class ManualTime implements Clock, Timers {
  #now = 0;
  #due: { at: Millis; callback: () => void }[] = [];

  wallMs(): Millis {
    return 1_700_000_000_000 + this.#now;
  }

  monotonicMs(): Millis {
    return this.#now;
  }

  after(afterMs: Millis, callback: () => void): CancelTimer {
    const timer = { at: this.#now + afterMs, callback };
    this.#due.push(timer);
    return () => {
      this.#due = this.#due.filter((other) => other !== timer);
    };
  }

  /** Fires what falls due, in order, and lets every promise settle in between. */
  async advance(ms: Millis): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.#due.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#due = this.#due.filter((other) => other !== next);
      this.#now = next.at;
      next.callback();
    }
    this.#now = until;
  }
}
