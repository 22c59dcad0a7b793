import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';

/** Timers of Node may be late by so much. */
const timerMs = 2;

/**
 * Calls for each of so many records when it is due, or at once when that is past. What `send` does is not waited for: a
 * system that stalls must not slow down its load.
 */
export async function sendPaced(count: number, dueMs: (index: number) => number, send: (index: number) => void) {
  for (let i = 0; i < count; i += 1) {
    for (let left = dueMs(i) - performance.now(); left > 0; left = dueMs(i) - performance.now()) {
      // Short waits are spent in the event loop: answers are taken meanwhile, and no record is late for a timer.
      await (left > timerMs ? sleep(left - timerMs) : turn());
    }
    send(i);
  }
}
