import { assert, type Millis } from '@moldau/kernel';

/** A partition as groups name it. */
export interface GroupPartition {
  readonly topicId: string;
  readonly partition: number;
}

/** A partition that a member is given, and where the group stands on it. */
export interface Given extends GroupPartition {
  /** `undefined`: nothing is committed there. */
  readonly offset: bigint | undefined;
}

/** What an assignment says: all that the member is to own from now on. */
export interface Told {
  /** Counts the assignments of this membership. */
  readonly number: bigint;
  readonly epoch: number;
  readonly assigned: readonly Given[];
}

/** What the application has to be told. */
export interface Change {
  /** Comes to the member now. */
  readonly assigned: readonly Given[];
  /** Is to be given up: `gaveUp` says when it is. */
  readonly revoked: readonly GroupPartition[];
}

export const nameOf = ({ topicId, partition }: GroupPartition): string => `${topicId}/${partition}`;

/**
 * One membership of a group, from its first hello until it is lost or left: what the member owns, what it is to give up, and until
 * when its session lasts by its own clock. Does nothing itself; SPEC.md has the rules.
 */
export class Membership {
  /** Never used again once it is over. */
  readonly memberId: string;
  readonly #owned = new Map<string, GroupPartition>();
  readonly #givingUp = new Set<string>();
  #told: ReadonlyMap<string, Given> = new Map();
  #epoch: number | undefined;
  #applied: bigint | undefined;
  #sessionTimeoutMs: Millis | undefined;
  /** When the last frame was sent that the coordinator is known to have taken. */
  #heardOfAt: Millis = Number.POSITIVE_INFINITY;
  /** When the oldest hello or ping was sent that is not answered. */
  #waiting: { readonly number: bigint; readonly sentAt: Millis } | undefined;
  #pings = 0n;

  constructor(memberId: string) {
    this.memberId = memberId;
  }

  /** `undefined`: it was told nothing yet. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  /** The last assignment that it took. */
  get applied(): bigint | undefined {
    return this.#applied;
  }

  /** What it has, what it is about to give up among it. */
  get owned(): readonly GroupPartition[] {
    return [...this.#owned.values()];
  }

  /** Whether it has a partition, and is not about to give it up. */
  has(partition: GroupPartition): boolean {
    const name = nameOf(partition);
    return this.#owned.has(name) && !this.#givingUp.has(name);
  }

  /** A hello was sent. */
  helloSent(nowMs: Millis): void {
    this.#waiting = { number: 0n, sentAt: nowMs };
  }

  /** The hello was accepted: the session goes on from when it was sent. */
  welcomed(sessionTimeoutMs: Millis): void {
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#answered(0n);
  }

  /** The number of a ping to be sent now. */
  ping(nowMs: Millis): bigint {
    this.#pings += 1n;
    // While one is not answered the session counts from there.
    this.#waiting ??= { number: this.#pings, sentAt: nowMs };
    return this.#pings;
  }

  /** A ping was answered, and with it those before. */
  ponged(number: bigint): void {
    this.#answered(number);
  }

  /** Others may own what it had. While no hello was accepted there is no session that could end. */
  isOver(nowMs: Millis): boolean {
    return this.#sessionTimeoutMs !== undefined && nowMs - this.#heardOfAt >= this.#sessionTimeoutMs;
  }

  /** Takes an assignment. Of one that came before, or a second time, nothing is new. */
  assignment({ number, epoch, assigned }: Told): Change {
    if (this.#applied !== undefined && number < this.#applied) return { assigned: [], revoked: [] };
    this.#applied = number;
    this.#epoch = epoch;
    this.#told = new Map(assigned.map((given) => [nameOf(given), given]));
    const revoked = [...this.#owned].filter(([name]) => !this.#told.has(name) && !this.#givingUp.has(name));
    for (const [name] of revoked) this.#givingUp.add(name);
    return { assigned: this.#takeNew(), revoked: revoked.map(([, partition]) => partition) };
  }

  /** Partitions are worked on no more. Returns what of them has been given to the member again meanwhile. */
  gaveUp(partitions: readonly GroupPartition[]): readonly Given[] {
    for (const partition of partitions) {
      const name = nameOf(partition);
      assert(this.#givingUp.delete(name), 'what is given up was to be');
      this.#owned.delete(name);
    }
    return this.#takeNew();
  }

  /** What is to be given and is not there. What is still being given up comes when it was. */
  #takeNew(): Given[] {
    const added = [...this.#told].filter(([name]) => !this.#owned.has(name));
    for (const [name, given] of added) this.#owned.set(name, { topicId: given.topicId, partition: given.partition });
    return added.map(([, given]) => given);
  }

  #answered(number: bigint): void {
    if (this.#waiting === undefined || number < this.#waiting.number) return;
    this.#heardOfAt = this.#waiting.sentAt;
    this.#waiting = undefined;
  }
}
