import { type Clock, jittered, type Millis, MoldauError, type Random, sleep, type Timers } from '@moldau/kernel';

const firstPauseMs = 50;
const lastPauseMs = 1_000;

/** Whether another attempt can help. */
const isRetriable = ({ retriable }: MoldauError): boolean => retriable;

/**
 * Tries until it works, while the error says that this can help (`mayRepeat`: or who knows better), for at most
 * `timeoutMs`. `attempt` is told how much of that is left. Only for what may be repeated. Throws the last error.
 */
export async function retrying<T>(
  { clock, timers, random }: { readonly clock: Clock; readonly timers: Timers; readonly random: Random },
  timeoutMs: Millis,
  attempt: (leftMs: Millis) => Promise<T>,
  mayRepeat: (error: MoldauError) => boolean = isRetriable,
): Promise<T> {
  const giveUpAt = clock.monotonicMs() + timeoutMs;
  let pauseMs = firstPauseMs;
  for (;;) {
    try {
      return await attempt(Math.max(1, giveUpAt - clock.monotonicMs()));
    } catch (error) {
      if (!(error instanceof MoldauError) || !mayRepeat(error)) throw error;
      if (clock.monotonicMs() + pauseMs >= giveUpAt) throw error;
    }
    await sleep(timers, jittered(random, pauseMs));
    pauseMs = Math.min(pauseMs * 2, lastPauseMs);
  }
}
