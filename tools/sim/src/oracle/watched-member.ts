import type { Millis } from '@moldau/kernel';
import type { HeardFrame, SaidFrame } from '../workload/watched-dialer.ts';

/** A partition as groups name it: `<topic id>/<index>`. */
export const groupPlace = ({ topicId = '', partition = 0 }: { topicId?: string; partition?: number }): string =>
  `${topicId}/${partition}`;

/** Since when a member has a partition. */
export interface Ownership {
  readonly sinceMs: Millis;
}

/** A commit that is not answered yet. */
export interface PendingCommit {
  readonly offsets: ReadonlyMap<string, bigint>;
  readonly saidMs: Millis;
  /** The era of the group when it was said first. */
  readonly era: number;
}

/**
 * One membership as the contract has it, read from the frames alone: what it may work on from the assignment on that brings it,
 * until it says that it does not own it, leaves, is told that it is over, or its session is by its own clock. That a process
 * is dead or asleep changes nothing: nobody else can know.
 */
export class WatchedMember {
  readonly memberId: string;
  readonly owned = new Map<string, Ownership>();
  readonly commits = new Map<bigint, PendingCommit>();
  epoch = 0;
  /** Empty: none. */
  instanceId = '';
  #sessionTimeoutMs: Millis | undefined;
  /** When the first hello was sent, or the last ping that was answered. */
  #heardOfAt: Millis = Number.NEGATIVE_INFINITY;
  readonly #sentAt = new Map<bigint, Millis>();
  #applied = -1n;
  #isOver = false;
  readonly #had = new Set<string>();

  constructor(memberId: string) {
    this.memberId = memberId;
  }

  /** Another one has its instance id now. Its process is gone: that is for whoever gives out instance ids to see to. */
  succeeded(): void {
    this.#isOver = true;
  }

  /** Whether it was ever told to own it. */
  hasHad(place: string): boolean {
    return this.#had.has(place);
  }

  /** Whether it may work on what it owns. */
  isAlive(nowMs: Millis): boolean {
    if (this.#isOver || this.#sessionTimeoutMs === undefined) return false;
    return nowMs - this.#heardOfAt < this.#sessionTimeoutMs;
  }

  owns(place: string, nowMs: Millis): Ownership | undefined {
    return this.isAlive(nowMs) ? this.owned.get(place) : undefined;
  }

  said(frame: SaidFrame, nowMs: Millis): void {
    switch (frame.case) {
      case 'hello':
        this.instanceId = frame.value.instanceId ?? '';
        this.#sentAt.clear();
        this.#sentAt.set(0n, nowMs);
        return this.#keep(frame.value.owned?.partitions);
      case 'ping':
        this.#sentAt.set(frame.value.number ?? 0n, nowMs);
        return;
      case 'ack':
        return this.#keep(frame.value.owned?.partitions);
      case 'leave':
        this.#isOver = true;
        return;
      case 'commit':
      case 'update':
      case undefined:
        return;
    }
  }

  /** Returns what comes to it with the frame, and the offset that is said to be committed there. */
  heard(frame: HeardFrame, nowMs: Millis): ReadonlyMap<string, bigint | undefined> {
    const added = new Map<string, bigint | undefined>();
    switch (frame.case) {
      case 'welcome':
        // One that comes back renews nothing: an owner that was overtaken may have said it.
        if (this.#sessionTimeoutMs === undefined) this.#answered(0n);
        this.#sessionTimeoutMs = frame.value.sessionTimeoutMs;
        break;
      case 'pong':
        this.#answered(frame.value.number);
        break;
      case 'fenced':
        this.#isOver = true;
        break;
      case 'assignment': {
        const { number, memberEpoch, assigned } = frame.value;
        if (number < this.#applied) break;
        this.#applied = number;
        this.epoch = memberEpoch;
        for (const { partition, offset } of assigned) {
          const place = groupPlace(partition ?? {});
          if (this.owned.has(place)) continue;
          this.owned.set(place, { sinceMs: nowMs });
          this.#had.add(place);
          added.set(place, offset);
        }
        break;
      }
      case 'committed':
      case 'redirect':
      case 'drain':
      case 'refused':
      case 'heartbeat':
      case undefined:
        break;
    }
    return added;
  }

  #answered(number: bigint): void {
    const sentAt = this.#sentAt.get(number);
    if (sentAt === undefined) return;
    this.#heardOfAt = Math.max(this.#heardOfAt, sentAt);
    for (const one of this.#sentAt.keys()) if (one <= number) this.#sentAt.delete(one);
  }

  #keep(owned: readonly { topicId?: string; partition?: number }[] | undefined): void {
    if (owned === undefined) return;
    const kept = new Set(owned.map(groupPlace));
    for (const place of this.owned.keys()) if (!kept.has(place)) this.owned.delete(place);
  }
}
