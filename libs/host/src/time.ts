import type { Clock, Timers } from '@moldau/kernel';

/** The system's clocks. */
export const hostClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** What setTimeout can wait at most; a longer wait is made of several. */
const stepMaxMs = 2 ** 31 - 1;

/** The timers of a service: they never keep the process alive. What does is a socket, or whoever started the service. */
export const hostTimers: Timers = systemTimers({ keepAlive: false });

/** The timers of a client: a send that waits for a cluster to come back keeps its process alive, as a socket would. */
export const clientTimers: Timers = systemTimers({ keepAlive: true });

function systemTimers({ keepAlive }: { keepAlive: boolean }): Timers {
  return {
    after(afterMs, callback) {
      // No wait at all: the next turn of the loop. A timer takes a millisecond at least.
      if (afterMs <= 0) return soon(callback, keepAlive);
      let timer: NodeJS.Timeout;
      // setTimeout may fire up to a millisecond early by the monotonic clock.
      const dueMs = performance.now() + afterMs;
      const wait = (): void => {
        const leftMs = dueMs - performance.now();
        if (leftMs <= 0) callback();
        else arm(leftMs);
      };
      const arm = (ms: number): void => {
        timer = setTimeout(wait, Math.min(Math.ceil(ms), stepMaxMs));
        if (!keepAlive) timer.unref();
      };
      arm(afterMs);
      return () => clearTimeout(timer);
    },
  };
}

function soon(callback: () => void, keepAlive: boolean): () => void {
  const immediate = setImmediate(callback);
  if (!keepAlive) immediate.unref();
  return () => clearImmediate(immediate);
}
