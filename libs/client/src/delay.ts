import type { Millis, MoldauError } from '@moldau/kernel';

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
