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
      let timer: NodeJS.Timeout;
      // setTimeout may fire up to a millisecond early by the monotonic clock.
      const dueMs = performance.now() + Math.max(0, afterMs);
      const wait = (): void => {
        const leftMs = dueMs - performance.now();
        if (leftMs <= 0) callback();
        else arm(leftMs);
      };
      const arm = (ms: number): void => {
        timer = setTimeout(wait, Math.min(Math.ceil(ms), stepMaxMs));
        if (!keepAlive) timer.unref();
      };
      arm(Math.max(0, afterMs));
      return () => clearTimeout(timer);
    },
  };
}
