import type { Clock, Millis } from '@moldau/kernel';

/** The clock of one machine: its wall clock may be wrong; its monotonic one is not, but stands still while it is suspended. */
export class SkewedClock implements Clock {
  /** What its wall clock is ahead. */
  skewMs: Millis = 0;
  readonly #clock: Clock;
  #lostMs: Millis = 0;
  #stoppedAt: Millis | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wallMs(): Millis {
    return this.#clock.wallMs() + this.skewMs;
  }

  monotonicMs(): Millis {
    return (this.#stoppedAt ?? this.#clock.monotonicMs()) - this.#lostMs;
  }

  /** As a virtual machine's does that is moved: it does not notice. */
  suspend(): void {
    this.#stoppedAt ??= this.#clock.monotonicMs();
  }

  resume(): void {
    if (this.#stoppedAt === undefined) return;
    this.#lostMs += this.#clock.monotonicMs() - this.#stoppedAt;
    this.#stoppedAt = undefined;
  }
}
