import type { Clock, Millis } from '@moldau/kernel';

/** The clock of one machine: its wall clock may be wrong, its monotonic one never is. */
export class SkewedClock implements Clock {
  /** What its wall clock is ahead. */
  skewMs: Millis = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wallMs(): Millis {
    return this.#clock.wallMs() + this.skewMs;
  }

  monotonicMs(): Millis {
    return this.#clock.monotonicMs();
  }
}
