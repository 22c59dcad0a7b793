import type { CancelTimer, Millis, Timers } from '@moldau/kernel';

/** The timers of one process: while it is paused they wait, and none of them fires once it has died. */
export class MortalTimers implements Timers {
  readonly #timers: Timers;
  #state: 'running' | 'paused' | 'dead' = 'running';
  /** What fell due during the pause. */
  #due: (() => void)[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  after(afterMs: Millis, callback: () => void): CancelTimer {
    let cancelled = false;
    const fire = (): void => {
      if (cancelled || this.#state === 'dead') return;
      if (this.#state === 'paused') this.#due.push(fire);
      else callback();
    };
    const cancel = this.#timers.after(afterMs, fire);
    return () => {
      cancelled = true;
      cancel();
    };
  }

  /** The process stands still, as under SIGSTOP. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    for (const fire of this.#due.splice(0)) fire();
  }

  kill(): void {
    this.#state = 'dead';
    this.#due = [];
  }
}
