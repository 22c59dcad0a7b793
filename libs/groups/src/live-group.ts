import type { Millis } from '@moldau/kernel';
import type { MemberId } from './ids.ts';

/** What this owner of the shard knows of one member. */
export interface Session {
  /** The newest stream that it said Hello on, to this owner. */
  stream: number | undefined;
  /** When it is dead unless it is heard before. */
  endsAt: Millis;
  /** When it must have given up what it was asked to. `undefined`: nothing. */
  rebalanceEndsAt: Millis | undefined;
}

/**
 * What only this owner of the shard knows of a group: nothing of it is in the records, and a new owner begins with all of it
 * new. All times are monotonic.
 */
export class LiveGroup {
  readonly sessions = new Map<MemberId, Session>();
  /** The next assignment waits until then. */
  assignNotBefore: Millis = Number.NEGATIVE_INFINITY;
  /** The topics may have changed since the group epoch was made. */
  hasStaleTopics = false;
  /** Nothing is due before. It may be too early, never too late. */
  wakeAt: Millis = Number.POSITIVE_INFINITY;

  wakeBy(at: Millis): void {
    this.wakeAt = Math.min(this.wakeAt, at);
  }
}
