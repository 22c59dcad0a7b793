import { assert, type Millis, type MoldauError, type PartitionKey } from '@moldau/kernel';
import { type AssignorName, assignors, chosenAssignor } from './assign/assignor.ts';
import type { GroupHead, GroupRecord, Holding, MemberProfile, Subscription } from './group-records.ts';
import type { GroupState } from './group-state.ts';
import { assignedOf, isRevoking, nextAssignment, noHolding, revokingOf } from './holdings.ts';
import type { Instant, MemberId } from './ids.ts';
import type { GroupOptions } from './limits.ts';
import type { LiveGroup, Session } from './live-group.ts';
import type { Assignment, Frame } from './requests.ts';
import type { Subscriptions } from './subscriptions.ts';
import { fingerprint, type TopicView } from './topics.ts';

/** What a turn works with. */
export interface TurnContext {
  readonly group: GroupState;
  readonly live: LiveGroup;
  readonly subscriptions: Subscriptions;
  readonly options: GroupOptions;
  readonly now: Instant;
}

/** A wall clock that jumped is noticed this late. */
const expiryCheckMs = 3_600_000;

/**
 * One request at work on one group: collects records, applies each at once, and in the end brings epochs, targets and
 * assignments to where the changes lead. Rules decide what to change; this is all that they may do.
 */
export class Turn {
  readonly group: GroupState;
  readonly live: LiveGroup;
  readonly subscriptions: Subscriptions;
  readonly options: GroupOptions;
  readonly now: Instant;
  /** The last one of each key. */
  readonly #records = new Map<string, GroupRecord>();
  readonly #frames: Frame[] = [];
  /** Members that may go on, and whether they have just given up what they were asked to. */
  readonly #due = new Map<MemberId, boolean>();
  readonly #told = new Set<MemberId>();
  #needsEpoch = false;

  constructor({ group, live, subscriptions, options, now }: TurnContext) {
    this.group = group;
    this.live = live;
    this.subscriptions = subscriptions;
    this.options = options;
    this.now = now;
  }

  /** The turn ends in a new group epoch. */
  get needsEpoch(): boolean {
    return this.#needsEpoch;
  }

  get hasRecords(): boolean {
    return this.#records.size > 0;
  }

  put(record: GroupRecord): void {
    const name = record.kind === 'head' ? '' : record.kind === 'offset' ? record.partition : record.member;
    const key = `${record.kind} ${name}`;
    this.#records.delete(key);
    this.#records.set(key, record);
    this.group.apply(record);
  }

  putHead(change: Partial<GroupHead>): void {
    this.put({ kind: 'head', group: this.group.id, value: { ...this.group.head, ...change } });
  }

  putProfile(member: MemberId, value: MemberProfile): void {
    this.put({ kind: 'profile', group: this.group.id, member, value });
  }

  putHolding(member: MemberId, value: Holding): void {
    for (const partition of value.held.keys()) {
      const owner = this.group.owner(partition);
      assert(owner === undefined || owner === member, 'no two members possibly own one partition');
    }
    const before = this.group.holding(member);
    assert(
      before === undefined || (before.epoch <= value.epoch && before.number <= value.number),
      'epochs never go back',
    );
    this.put({ kind: 'holding', group: this.group.id, member, value });
  }

  putTarget(member: MemberId, target: ReadonlySet<PartitionKey>): void {
    this.put({ kind: 'target', group: this.group.id, member, value: target.size === 0 ? undefined : target });
  }

  /** Members, subscriptions or topics have changed: the turn ends in a new group epoch. */
  needEpoch(): void {
    this.#needsEpoch = true;
  }

  /** The member may be able to go on. */
  due(member: MemberId, hasRevoked = false): void {
    this.#due.set(member, hasRevoked || this.#due.get(member) === true);
  }

  /** Nobody owns it any more: whoever is to have it may go on. */
  freed(partitions: Iterable<PartitionKey>): void {
    for (const partition of partitions) {
      const heir = this.group.heir(partition);
      if (heir !== undefined) this.due(heir);
    }
  }

  /** The member is sent its newest assignment, as it is when the turn ends. */
  tell(member: MemberId): void {
    this.#told.add(member);
  }

  /** Says on the member's stream that it is over. */
  fence(member: MemberId, error: MoldauError): void {
    const stream = this.live.sessions.get(member)?.stream;
    if (stream !== undefined) this.#frames.push({ stream, frame: { kind: 'fenced', error } });
  }

  /** The member is heard: its session begins anew. */
  hear(member: MemberId): Session {
    const endsAt = this.now.monotonicMs + this.options.sessionTimeoutMs;
    const session = this.live.sessions.get(member) ?? { stream: undefined, endsAt, rebalanceEndsAt: undefined };
    session.endsAt = endsAt;
    this.live.sessions.set(member, session);
    this.live.wakeBy(endsAt);
    return session;
  }

  /** All of a member goes, and what it owned is free. */
  remove(member: MemberId): void {
    const held = this.group.holding(member)?.held.keys() ?? [];
    this.erase(member);
    this.freed(held);
    this.needEpoch();
  }

  /** All of a member goes; who owns what was its own is for the caller to say. */
  erase(member: MemberId): void {
    const { group } = this;
    for (const kind of ['profile', 'holding', 'target'] as const) {
      if (kind === 'target' && group.target(member).size === 0) continue;
      this.put({ kind, group: group.id, member, value: undefined });
    }
    this.live.sessions.delete(member);
    this.#due.delete(member);
  }

  /** Offsets that were committed, or without members, since then will have to go some day. */
  watchExpiry(sinceMs: Millis): void {
    const { monotonicMs, wallMs } = this.now;
    const leftMs = sinceMs + this.options.offsetsRetentionMs - wallMs;
    this.live.wakeBy(monotonicMs + Math.min(Math.max(0, leftMs), expiryCheckMs));
  }

  /** The epoch, the targets and the assignments that the changes lead to. */
  finish(): { readonly records: readonly GroupRecord[]; readonly frames: readonly Frame[] } {
    if (this.#needsEpoch) this.#beginEpoch();
    this.#assign();
    for (const [member, hasRevoked] of this.#due) this.#goOn(member, hasRevoked);
    for (const member of this.#told) {
      const stream = this.live.sessions.get(member)?.stream;
      if (stream !== undefined) this.#frames.push({ stream, frame: this.#assignment(member) });
    }
    return { records: [...this.#records.values()], frames: this.#frames };
  }

  #beginEpoch(): void {
    const { group, now } = this;
    const { groupEpoch, emptySinceMs } = group.head;
    const isEmpty = group.members.size === 0;
    if (isEmpty) this.watchExpiry(now.wallMs);
    this.putHead({
      groupEpoch: groupEpoch + 1,
      topics: this.fingerprint(),
      emptySinceMs: isEmpty ? (emptySinceMs ?? now.wallMs) : undefined,
    });
  }

  /** Of all that the members want. */
  fingerprint(): string {
    const lists = new Set([...this.group.members.values()].map((profile) => this.#selected(profile)));
    return fingerprint([...lists].flat());
  }

  /** Throws INVALID_REQUEST when the members would share more partitions than a group may have, one more of them with this subscription. */
  checkShare(subscription: Subscription): void {
    const members = [...this.group.members.values()];
    const [first] = members;
    // As nearly always.
    if (first !== undefined && this.subscriptions.areSame(first, subscription)) return;
    this.subscriptions.check([...members, subscription]);
  }

  #selected(profile: MemberProfile): readonly TopicView[] {
    return this.subscriptions.select(profile, () => this.group.topics);
  }

  /** New targets for the group epoch, unless the last ones are too young. */
  #assign(): void {
    const { group, live, now } = this;
    const { groupEpoch, assignmentEpoch } = group.head;
    if (groupEpoch === assignmentEpoch) return;
    if (group.members.size > 0) {
      if (now.monotonicMs < live.assignNotBefore) return live.wakeBy(live.assignNotBefore);
      live.assignNotBefore = now.monotonicMs + this.options.assignmentIntervalMs;
      const members = [...group.members].map(([id, profile]) => ({
        id,
        instance: profile.instance,
        rack: profile.rack,
        topics: this.#selected(profile),
        previous: group.target(id),
      }));
      const targets = assignors[assignorOf(group)](members);
      for (const [member, target] of targets) {
        const before = group.target(member);
        if (target.size === before.size && [...target].every((partition) => before.has(partition))) continue;
        this.putTarget(member, target);
        this.due(member);
      }
    }
    this.putHead({ assignmentEpoch: groupEpoch });
  }

  #goOn(member: MemberId, hasRevoked: boolean): void {
    const { group, live, now } = this;
    const profile = group.members.get(member);
    const holding = group.holding(member) ?? noHolding;
    if (profile === undefined || isRevoking(holding)) return;
    const session = live.sessions.get(member);
    if (session !== undefined) session.rebalanceEndsAt = undefined;
    const isFree = (partition: PartitionKey): boolean => group.owner(partition) === undefined;
    const next = nextAssignment(holding, group.target(member), group.head.assignmentEpoch, isFree, hasRevoked);
    if (next === undefined) return;
    this.putHolding(member, next);
    this.tell(member);
    if (session === undefined || !isRevoking(next)) return;
    session.rebalanceEndsAt = now.monotonicMs + profile.rebalanceTimeoutMs;
    live.wakeBy(session.rebalanceEndsAt);
  }

  #assignment(member: MemberId): Assignment {
    const { group } = this;
    const holding = group.holding(member) ?? noHolding;
    return {
      kind: 'assignment',
      number: holding.number,
      epoch: holding.epoch,
      assigned: assignedOf(holding).map((partition) => ({ partition, committed: group.offsets.get(partition) })),
      revoke: revokingOf(holding),
      pending: pendingOf(group, member),
    };
  }
}

/** What is in a member's target, and not in its assignment. */
export function pendingOf(group: GroupState, member: MemberId): PartitionKey[] {
  const { number, held } = group.holding(member) ?? noHolding;
  return [...group.target(member)].filter((partition) => held.get(partition)?.sentIn !== number);
}

export const assignorOf = (group: GroupState): AssignorName =>
  chosenAssignor([...group.members.values()].map(({ assignor }) => assignor));
