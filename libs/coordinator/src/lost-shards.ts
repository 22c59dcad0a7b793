import type { Millis } from '@moldau/kernel';

/** The first pause is short: most failures are of a moment. */
const firstPauseMs: Millis = 1_000;
/** A shard that always fails costs a write to the store every so often. */
const lastPauseMs: Millis = 60_000;
/** Who has owned a shard for so long was not hit by what hit the owner before. */
const forgottenAfterMs: Millis = 300_000;

interface Loss {
  readonly epoch: bigint;
  readonly pauseMs: Millis;
  readonly dueMs: Millis;
}

/** Shards that their owners have lost by a failure, and when each may be given out anew. In monotonic time. */
export class LostShards {
  readonly #losses = new Map<number, Loss>();

  /** Its owner under this epoch has lost it. Returns how long it has to wait; undefined: that was known. */
  note(shard: number, epoch: bigint, nowMs: Millis): Millis | undefined {
    const before = this.#losses.get(shard);
    if (before?.epoch === epoch) return undefined;
    const isFirst = before === undefined || nowMs - before.dueMs >= forgottenAfterMs;
    const pauseMs = isFirst ? firstPauseMs : Math.min(before.pauseMs * 2, lastPauseMs);
    this.#losses.set(shard, { epoch, pauseMs, dueMs: nowMs + pauseMs });
    return pauseMs;
  }

  /** Whether what is owned under this epoch is lost, and has waited long enough. */
  isDue(shard: number, epoch: bigint, nowMs: Millis): boolean {
    const loss = this.#losses.get(shard);
    return loss?.epoch === epoch && nowMs >= loss.dueMs;
  }
}
