import { type CancelTimer, type Clock, type Millis, type MoldauError, repeat, type Timers } from '@moldau/kernel';

/** Records of one partition whose attempts fail, and are repeated. */
export interface Delay {
  readonly partition: number;
  /** Why the last attempt failed. */
  readonly error: MoldauError;
  /** Since the first attempt that failed. */
  readonly waitedMs: Millis;
  /** After this time from its `push` on a record is given up. */
  readonly deliveryTimeoutMs: Millis;
}

const everyMs = 2_000;

/** Tells every two seconds that attempts fail, from the first one that did until one succeeds. */
export class Delays {
  readonly #ports: { readonly clock: Clock; readonly timers: Timers };
  readonly #tell: (error: MoldauError, waitedMs: Millis) => void;
  #lastError: MoldauError | undefined;
  #stop: CancelTimer | undefined;

  constructor(
    ports: { readonly clock: Clock; readonly timers: Timers },
    tell: (error: MoldauError, waitedMs: Millis) => void,
  ) {
    this.#ports = ports;
    this.#tell = tell;
  }

  /** Why the last attempt failed. `undefined`: it did not. */
  get lastError(): MoldauError | undefined {
    return this.#lastError;
  }

  /** An attempt failed, and will be repeated. */
  note(error: MoldauError): void {
    this.#lastError = error;
    if (this.#stop !== undefined) return;
    const { clock, timers } = this.#ports;
    const since = clock.monotonicMs();
    this.#stop = repeat(timers, everyMs, () => {
      if (this.#lastError !== undefined) this.#tell(this.#lastError, clock.monotonicMs() - since);
    });
  }

  /** An attempt succeeded, or there is nothing left to try. */
  end(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#lastError = undefined;
  }
}
