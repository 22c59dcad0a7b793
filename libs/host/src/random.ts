import { randomBytes } from 'node:crypto';
import type { Random } from '@moldau/kernel';

/** The system's random numbers: `bytes` may serve for secrets, `next` may not. */
export const hostRandom: Random = {
  next: () => Math.random(),
  bytes: (length) => new Uint8Array(randomBytes(length)),
};
