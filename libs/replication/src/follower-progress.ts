import type { Millis, NodeEpoch, Offset } from '@moldau/kernel';

/**
 * What a leader knows of one follower in its current session. Caught up means: it has acknowledged all that the leader held
 * at some instant; the last such instant is what its lag is counted from. One instant is watched at a time, so a lag counts
 * for up to twice of what it is.
 */
export class FollowerProgress {
  readonly session: number;
  readonly nodeEpoch: NodeEpoch;
  #isReady = false;
  durableEnd: Offset = 0n as Offset;
  logStart: Offset = 0n as Offset;
  /** When an ack of more came last. `undefined`: none has. */
  ackedMoreAt: Millis | undefined;
  #caughtUpAt: Millis;
  #spokeAt: Millis;
  #markEnd: Offset;
  #markAt: Millis;

  constructor(session: number, nodeEpoch: NodeEpoch, caughtUpAt: Millis, leaderEnd: Offset, now: Millis) {
    this.session = session;
    this.nodeEpoch = nodeEpoch;
    this.#caughtUpAt = caughtUpAt;
    this.#spokeAt = now;
    this.#markEnd = leaderEnd;
    this.#markAt = now;
  }

  /** Before Ready nothing that it says counts (I4). */
  get isReady(): boolean {
    return this.#isReady;
  }

  get caughtUpAt(): Millis {
    return this.#caughtUpAt;
  }

  /** When it was last known to go on: one that has stopped does not join, though it holds all that is committed. */
  get aliveAt(): Millis {
    return this.#spokeAt > this.#caughtUpAt ? this.#spokeAt : this.#caughtUpAt;
  }

  /** Its copy is a part of the leader's log. */
  ready(durableEnd: Offset, leaderEnd: Offset, now: Millis): void {
    this.#isReady = true;
    this.#spokeAt = now;
    this.durableEnd = durableEnd;
    this.look(leaderEnd, now);
  }

  /** Everything below `durableEnd` is durable there. */
  acked(durableEnd: Offset, leaderEnd: Offset, now: Millis): void {
    this.#spokeAt = now;
    if (durableEnd > this.durableEnd) this.ackedMoreAt = now;
    this.durableEnd = durableEnd;
    this.look(leaderEnd, now);
  }

  countLagFrom(now: Millis): void {
    if (now > this.#caughtUpAt) this.#caughtUpAt = now;
  }

  /** Time has passed, or the leader's log has grown. */
  look(leaderEnd: Offset, now: Millis): void {
    if (!this.#isReady) return;
    if (this.durableEnd >= leaderEnd) this.#caughtUpAt = now;
    else if (this.durableEnd >= this.#markEnd) this.#caughtUpAt = this.#markAt;
    else return;
    this.#markEnd = leaderEnd;
    this.#markAt = now;
  }
}
