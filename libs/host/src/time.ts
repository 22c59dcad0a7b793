import type { Clock, Timers } from '@moldau/kernel';

/** The system's clocks. */
export const hostClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** What setTimeout can wait at most; a longer wait is made of several. */
const stepMaxMs = 2 ** 31 - 1;

/** The system's timers. They never keep the process alive: what does is a socket, a file, or a service that was started. */
export const hostTimers: Timers = {
  after(afterMs, callback) {
    let timer: NodeJS.Timeout;
    // setTimeout may fire up to a millisecond early by the monotonic clock.
    const dueMs = performance.now() + Math.max(0, afterMs);
    const wait = (): void => {
      const leftMs = dueMs - performance.now();
      if (leftMs <= 0) callback();
      else timer = setTimeout(wait, Math.min(Math.ceil(leftMs), stepMaxMs)).unref();
    };
    timer = setTimeout(wait, Math.min(Math.ceil(Math.max(0, afterMs)), stepMaxMs)).unref();
    return () => clearTimeout(timer);
  },
};
