/** What the members of one group did on the partitions of one topic, and what of it may not be. */
export class History {
  /** What was found, the first of it. */
  readonly violations: string[] = [];
  #violationCount = 0;
  readonly #partitions: PartitionHistory[];
  /** When a partition came to somebody or was taken from them last. */
  #changedAt = 0;

  constructor(partitions: number) {
    this.#partitions = Array.from({ length: partitions }, () => new PartitionHistory());
  }

  /** A member has a partition from now on. */
  assigned(member: string, partition: number): void {
    const one = this.#of(partition);
    if (one.owner !== undefined) this.#violated(`${partition} came to ${member} while ${one.owner} had it`);
    one.owner = member;
    this.#changedAt = performance.now();
    if (one.freeSince === undefined) return;
    one.longestFreeMs = Math.max(one.longestFreeMs, this.#changedAt - one.freeSince);
    one.freeSince = undefined;
  }

  /** A member is told that a partition is to be given up, or is gone. Others may not have it before. */
  released(member: string, partition: number): void {
    const one = this.#of(partition);
    if (one.owner !== member) return;
    one.owner = undefined;
    one.lastOwner = member;
    this.#changedAt = performance.now();
    one.freeSince = this.#changedAt;
  }

  /** A member was given a record. */
  delivered(member: string, partition: number, offset: number): void {
    const one = this.#of(partition);
    this.#checkOwner(one, member, `${partition}/${offset} was given to ${member}`);
    if (one.seen.has(offset)) {
      one.duplicates += 1;
      if (offset < one.committed)
        this.#violated(`${partition}/${offset} came again, though ${one.committed} was committed`);
    }
    one.seen.add(offset);
  }

  /** Somebody whom nobody watches has committed everything below `next`. */
  committedElsewhere(partition: number, next: number): void {
    const one = this.#of(partition);
    for (let offset = 0; offset < next; offset += 1) one.seen.add(offset);
    one.committed = next;
  }

  /** A member's commit was accepted: of everything below `next`. */
  committed(member: string, partition: number, next: number): void {
    const one = this.#of(partition);
    this.#checkOwner(one, member, `${partition} was committed up to ${next} by ${member}`);
    if (next < one.committed) this.#violated(`the commit of ${partition} went back from ${one.committed} to ${next}`);
    one.committed = Math.max(one.committed, next);
  }

  /** Whether each partition has an owner. */
  get isOwned(): boolean {
    return this.#partitions.every(({ owner }) => owner !== undefined);
  }

  /** In milliseconds of `performance.now()`. */
  get changedAt(): number {
    return this.#changedAt;
  }

  /** The longest that a partition had no owner between two. */
  get longestFreeMs(): number {
    return Math.max(...this.#partitions.map(({ longestFreeMs }) => longestFreeMs));
  }

  get deliveredCount(): number {
    return this.#partitions.reduce((sum, { seen }) => sum + seen.count, 0);
  }

  get duplicates(): number {
    return this.#partitions.reduce((sum, { duplicates }) => sum + duplicates, 0);
  }

  /** Whether each record below these ends was given to somebody. */
  hasAll(ends: readonly number[]): boolean {
    return ends.every((end, partition) => this.#of(partition).seen.hasAllBelow(end));
  }

  /** Throws what may not be. */
  check(): void {
    if (this.#violationCount === 0) return;
    throw new Error(`${this.#violationCount} times what may not be:\n  ${this.violations.join('\n  ')}`);
  }

  /** Who is about to give a partition up finishes what it has; not once somebody else has it. */
  #checkOwner(one: PartitionHistory, member: string, what: string): void {
    const owner = one.owner ?? one.lastOwner;
    if (owner !== member) this.#violated(`${what}, though ${owner} has it`);
  }

  #violated(what: string): void {
    this.#violationCount += 1;
    if (this.violations.length < violationsKept) this.violations.push(what);
  }

  #of(partition: number): PartitionHistory {
    const one = this.#partitions[partition];
    if (one === undefined) throw new Error(`there is no partition ${partition}`);
    return one;
  }
}

const violationsKept = 10;

class PartitionHistory {
  readonly seen = new OffsetSet();
  owner: string | undefined;
  lastOwner: string | undefined;
  freeSince: number | undefined;
  longestFreeMs = 0;
  committed = 0;
  duplicates = 0;
}

/** Offsets from 0 on, a bit each. */
class OffsetSet {
  #bits = new Uint8Array(1_024);
  count = 0;

  has(offset: number): boolean {
    return ((this.#bits[offset >> 3] ?? 0) & (1 << (offset & 7))) !== 0;
  }

  add(offset: number): void {
    if (this.has(offset)) return;
    if (offset >> 3 >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(this.#bits.length * 2, (offset >> 3) + 1));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[offset >> 3] = (this.#bits[offset >> 3] ?? 0) | (1 << (offset & 7));
    this.count += 1;
  }

  hasAllBelow(end: number): boolean {
    return this.count >= end && Array.from({ length: end }).every((_, offset) => this.has(offset));
  }
}
