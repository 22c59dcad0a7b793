import { jittered, type Millis, MoldauError, type Random, sleep, type Timers } from '@moldau/kernel';

const attemptsMax = 8;
const waitMs: Millis = 20;

/** Lets the image catch up with whoever came first. Throws CONFLICT when that happened too often. */
export async function afterConflict(
  ports: { timers: Timers; random: Random },
  what: string,
  attempt: number,
): Promise<void> {
  if (attempt >= attemptsMax) {
    throw new MoldauError('CONFLICT', `${what} was changed by others ${attempt} times meanwhile: retry`);
  }
  await sleep(ports.timers, jittered(ports.random, waitMs * attempt));
}
