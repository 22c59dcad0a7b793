import type { Millis } from '@moldau/kernel';
import type { Trace } from '../trace.ts';
import type { HeardFrame, SaidFrame } from '../workload/watched-dialer.ts';
import { Violation } from './violation.ts';
import { groupPlace, WatchedMember } from './watched-member.ts';

/** What is known of one partition of the group. */
interface Progress {
  /** What was committed at least: acknowledged, or answered to somebody. */
  committed: bigint;
  /** Offsets that members were given. */
  readonly given: Set<bigint>;
  /** Everything below was given to some member. */
  givenTo: bigint;
}

/** What is known when a question is asked. */
export interface Question {
  readonly era: number;
  readonly committed: ReadonlyMap<string, bigint>;
}

/**
 * What one group promises to its members, and to everybody who asks where it stands. Applications go forward here: nothing but a
 * seek takes a committed offset back.
 */
export class GroupOracle {
  readonly #trace: Trace;
  readonly #now: () => Millis;
  readonly #members = new Map<string, WatchedMember>();
  readonly #progress = new Map<string, Progress>();
  /** Changes with each seek that begins, and that ends: what was asked before is not comparable. */
  #era = 0;
  #seeking = 0;
  #sought = false;

  constructor(trace: Trace, now: () => Millis) {
    this.#trace = trace;
    this.#now = now;
  }

  get members(): Iterable<WatchedMember> {
    return this.#members.values();
  }

  /** Who may work on a partition now. */
  ownerOf(place: string): WatchedMember | undefined {
    const now = this.#now();
    return [...this.#members.values()].find((member) => member.owns(place, now) !== undefined);
  }

  /** Whether every record below was given to some member. */
  isGiven(place: string, offset: bigint): boolean {
    return this.#of(place).given.has(offset);
  }

  said(memberId: string, frame: SaidFrame): void {
    const member = this.#member(memberId);
    member.said(frame, this.#now());
    this.#trace.note(`${memberId} says ${frame.case}`);
    if (frame.case === 'hello') this.#succeed(member);
    if (frame.case !== 'commit') return;
    const offsets = new Map(
      (frame.value.offsets ?? []).map(({ partition, offset = 0n }) => [groupPlace(partition ?? {}), offset]),
    );
    for (const [place, offset] of offsets) this.#requireGiven(memberId, place, offset);
    const number = frame.value.number ?? 0n;
    if (!member.commits.has(number)) member.commits.set(number, { offsets, saidMs: this.#now(), era: this.#era });
  }

  heard(memberId: string, frame: HeardFrame): void {
    const member = this.#member(memberId);
    const added = member.heard(frame, this.#now());
    const assigned = [...added].map(([place, offset]) => ` ${place}@${offset ?? '-'}`).join('');
    this.#trace.note(`${memberId} hears ${frame.case}${assigned}`);
    this.#requireAlone(member);
    if (member.isAlive(this.#now())) for (const [place, offset] of added) this.#requireCommitted(member, place, offset);
    if (frame.case !== 'committed') return;
    const { number, failures, error } = frame.value;
    const pending = member.commits.get(number);
    member.commits.delete(number);
    if (pending === undefined || error !== undefined) return;
    const refused = new Set(failures.map(({ partition }) => groupPlace(partition ?? {})));
    for (const [place, offset] of pending.offsets) {
      if (refused.has(place)) continue;
      this.requireNotForeign(memberId, place, pending.saidMs);
      if (pending.era === this.#era && this.#seeking === 0) this.#raise(place, offset);
    }
  }

  /** A member's application is given a record. */
  given(memberId: string, place: string, offset: bigint): void {
    if (this.#members.get(memberId)?.owns(place, this.#now()) === undefined) {
      throw new Violation('I19', `${memberId} is given ${place}@${offset}, and does not own it`);
    }
    const progress = this.#of(place);
    progress.given.add(offset);
    while (progress.given.has(progress.givenTo)) progress.givenTo += 1n;
  }

  /** A commit in the name of this member was accepted that was sent at that time. */
  requireNotForeign(memberId: string, place: string, saidMs: Millis): void {
    const owner = this.ownerOf(place);
    const sinceMs = owner?.owned.get(place)?.sinceMs;
    if (owner === undefined || owner.memberId === memberId || sinceMs === undefined || sinceMs > saidMs) return;
    throw new Violation('I19', `a commit of ${memberId} to ${place} was accepted, and ${owner.memberId} owns it`);
  }

  /** Somebody asks what is committed. */
  asks(): Question {
    return { era: this.#era, committed: new Map([...this.#progress].map(([place, one]) => [place, one.committed])) };
  }

  /** What is committed, as it was answered. A place that is not there: nothing is. */
  answered({ era, committed }: Question, who: string, answer: ReadonlyMap<string, bigint>): void {
    if (era !== this.#era || this.#seeking > 0) return;
    for (const [place, least] of committed) {
      const offset = answer.get(place) ?? 0n;
      if (offset < least) {
        throw new Violation('I19', `${who} was answered ${place}@${offset}, and ${least} was committed before`);
      }
    }
    for (const [place, offset] of answer) this.#raise(place, offset);
  }

  /** Somebody begins to move the group back. */
  seekBegins(): void {
    this.#era += 1;
    this.#seeking += 1;
    this.#sought = true;
    for (const one of this.#progress.values()) one.committed = 0n;
  }

  /** It is decided. A seek that is not may be carried out at any time: it never ends. */
  seekEnds(): void {
    this.#era += 1;
    this.#seeking -= 1;
  }

  #succeed({ memberId, instanceId }: WatchedMember): void {
    if (instanceId === '') return;
    for (const other of this.#members.values())
      if (other.instanceId === instanceId && other.memberId !== memberId) other.succeeded();
  }

  /** By what it was just told it owns more, or longer: nobody else may. */
  #requireAlone(member: WatchedMember): void {
    const now = this.#now();
    if (!member.isAlive(now)) return;
    for (const other of this.#members.values()) {
      if (other === member || !other.isAlive(now)) continue;
      const place = [...member.owned.keys()].find((one) => other.owned.has(one));
      if (place === undefined) continue;
      throw new Violation(
        'I19',
        `${place} is both ${member.memberId}'s, who was just told so, and ${other.memberId}'s`,
      );
    }
  }

  #requireCommitted(member: WatchedMember, place: string, offset: bigint | undefined): void {
    const least = this.#of(place).committed;
    if (this.#sought || (offset ?? 0n) >= least) return;
    throw new Violation(
      'I19',
      `${member.memberId} was assigned ${place}@${offset ?? '-'}, and ${least} was committed before`,
    );
  }

  #requireGiven(memberId: string, place: string, offset: bigint): void {
    const { givenTo } = this.#of(place);
    if (offset <= givenTo) return;
    throw new Violation('lost', `${memberId} commits ${place}@${offset}, and nobody was given ${givenTo}`);
  }

  #raise(place: string, offset: bigint): void {
    const progress = this.#of(place);
    if (offset > progress.committed) progress.committed = offset;
  }

  #member(memberId: string): WatchedMember {
    const known = this.#members.get(memberId) ?? new WatchedMember(memberId);
    this.#members.set(memberId, known);
    return known;
  }

  #of(place: string): Progress {
    const known = this.#progress.get(place) ?? { committed: 0n, given: new Set(), givenTo: 0n };
    this.#progress.set(place, known);
    return known;
  }
}
