import type { Millis } from '../ids.ts';

/** Reads the time. */
export interface Clock {
  /** Wall-clock time since 1970-01-01 UTC. May jump both ways: never use it for timeouts. */
  wallMs(): Millis;
  /** Monotonic time from an arbitrary start, with fractions. Never goes back. */
  monotonicMs(): Millis;
}

/** Ends a timer that has not fired; without effect on one that has. */
export type CancelTimer = () => void;

/** Calls back later. In production an unref'd timer never keeps the process alive by itself. */
export interface Timers {
  /** Calls `callback` once, not before `afterMs` have passed. */
  after(afterMs: Millis, callback: () => void): CancelTimer;
}

/** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
export function sleep(timers: Timers, ms: Millis, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = timers.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Calls `callback` every `everyMs` until cancelled; the next wait begins when the callback has returned. */
export function repeat(timers: Timers, everyMs: Millis, callback: () => void): CancelTimer {
  let cancel = timers.after(everyMs, tick);
  let ended = false;
  function tick(): void {
    callback();
    if (!ended) cancel = timers.after(everyMs, tick);
  }
  return () => {
    ended = true;
    cancel();
  };
}
