import { assert, faults, type MoldauError, type PartitionKey } from '@moldau/kernel';
import type { Holding, MemberProfile, Subscription } from './group-records.ts';
import { afterAck, isRevoking, noHolding, revokingOf } from './holdings.ts';
import type { InstanceId, MemberId } from './ids.ts';
import { checkGroupId, profileOf, subscriptionOf } from './limits.ts';
import type { Ack, Hello, MemberRequest, Reply } from './requests.ts';
import type { Turn } from './turn.ts';

const done: Reply = { kind: 'done' };
const fenced = (error: MoldauError): Reply => ({ kind: 'fenced', error });

/** What a member's frame leads to. */
export function onMember(turn: Turn, request: MemberRequest): Reply {
  if (request.kind === 'hello') return onHello(turn, request);
  const { member } = request;
  const error = whyNotHeard(turn, member, request.stream);
  if (error !== undefined) return fenced(error);
  turn.hear(member);
  switch (request.kind) {
    case 'heard':
      return done;
    case 'ack':
      return onAck(turn, request);
    case 'update':
      return onUpdate(turn, member, subscriptionOf(request));
    case 'leave':
      return onLeave(turn, member, request.comingBack);
  }
}

function onUpdate(turn: Turn, member: MemberId, subscription: Subscription): Reply {
  turn.checkShare(subscription);
  changeSubscription(turn, member, subscription);
  return done;
}

/** Why a frame of this member on this stream does not count. `undefined`: it does. */
export function whyNotHeard({ group, live }: Turn, member: MemberId, stream: number): MoldauError | undefined {
  if (!group.members.has(member)) return faults.unknownMember(group.id, member);
  if (live.sessions.get(member)?.stream === stream) return undefined;
  return faults.fencedMember(group.id, member, 'this is not its newest stream');
}

function onHello(turn: Turn, hello: Hello): Reply {
  const { group } = turn;
  checkGroupId(group.id);
  const profile = profileOf(hello);
  if (group.members.has(hello.member)) return resume(turn, hello, profile);
  const holder = profile.instance === undefined ? undefined : group.instance(profile.instance);
  if (hello.lastMemberEpoch !== undefined) {
    return profile.instance === undefined || holder === undefined
      ? fenced(faults.unknownMember(group.id, hello.member))
      : fenced(faults.fencedInstance(group.id, profile.instance));
  }
  if (holder !== undefined && profile.instance !== undefined) {
    return succeed(turn, hello, profile, holder, profile.instance);
  }
  turn.checkShare(profile);
  const { membersMax } = turn.options;
  if (group.members.size >= membersMax) return { kind: 'refused', error: faults.groupFull(group.id, membersMax) };
  turn.putProfile(hello.member, profile);
  turn.hear(hello.member).stream = hello.stream;
  turn.needEpoch();
  turn.due(hello.member);
  return done;
}

/** A member that is known comes on a new stream: nothing is rebalanced if what it says fits what it was told. */
function resume(turn: Turn, hello: Hello, profile: MemberProfile): Reply {
  const { group, live } = turn;
  const { member, stream } = hello;
  const before = group.members.get(member);
  const holding = group.holding(member);
  assert(before !== undefined && holding !== undefined, 'a member has a profile and a holding');
  if (before.instance !== profile.instance) {
    return { kind: 'refused', error: faults.invalidRequest('instance_id', 'is not that of this member') };
  }
  const problem = whyNoResumption(holding, hello);
  if (problem !== undefined) return fenced(faults.fencedMember(group.id, member, problem));
  if (!isSame(before, profile)) turn.checkShare(profile);
  const older = live.sessions.get(member)?.stream;
  if (older !== undefined && older !== stream) {
    turn.fence(member, faults.fencedMember(group.id, member, 'it came back on a newer stream'));
  }
  turn.hear(member).stream = stream;
  acknowledge(turn, member, holding, hello.lastAssignment ?? 0, hello.owned);
  if (before.rebalanceTimeoutMs !== profile.rebalanceTimeoutMs || before.rack !== profile.rack) {
    turn.putProfile(member, { ...before, rack: profile.rack, rebalanceTimeoutMs: profile.rebalanceTimeoutMs });
    if (before.rack !== profile.rack) turn.needEpoch();
  }
  changeSubscription(turn, member, profile);
  turn.tell(member);
  return done;
}

function whyNoResumption(holding: Holding, { lastMemberEpoch, lastAssignment, owned }: Hello): string | undefined {
  if ((lastMemberEpoch ?? 0) > holding.epoch) return `it names epoch ${lastMemberEpoch}, and is in ${holding.epoch}`;
  return whyNoAck(holding, lastAssignment ?? 0, owned);
}

/** Why what a member says that it has applied and owns can't be. */
function whyNoAck(
  { number, acked, held }: Holding,
  applied: number,
  owned: readonly PartitionKey[] | undefined,
): string | undefined {
  if (applied < acked) return `it applied assignment ${acked} before, and names ${applied}`;
  if (applied > number) return `it names assignment ${applied}, and was sent ${number}`;
  const foreign = owned?.find((partition) => !held.has(partition));
  return foreign === undefined ? undefined : `it owns ${foreign}, which is not its own`;
}

function onAck(turn: Turn, { member, assignment, owned }: Ack): Reply {
  const holding = turn.group.holding(member) ?? noHolding;
  // An older one that came late, or twice: what it says is known.
  if (assignment < holding.acked) return done;
  const problem = whyNoAck(holding, assignment, owned);
  if (problem !== undefined) return fenced(faults.fencedMember(turn.group.id, member, problem));
  acknowledge(turn, member, holding, assignment, owned);
  return done;
}

function acknowledge(
  turn: Turn,
  member: MemberId,
  before: Holding,
  applied: number,
  owned: readonly PartitionKey[] | undefined,
): void {
  const after = afterAck(before, applied, owned === undefined ? undefined : new Set(owned));
  if (after.acked === before.acked && after.held.size === before.held.size) return;
  turn.putHolding(member, after);
  turn.freed(revokingOf(before).filter((partition) => !after.held.has(partition)));
  if (isRevoking(before) && !isRevoking(after)) turn.due(member, true);
}

function changeSubscription(turn: Turn, member: MemberId, subscription: Subscription): void {
  const before = turn.group.members.get(member);
  assert(before !== undefined, 'a member has a profile');
  if (isSame(before, subscription)) return;
  const { topics, regex, assignor } = subscription;
  turn.putProfile(member, { ...before, topics, regex, assignor });
  turn.needEpoch();
}

const isSame = (a: Subscription, b: Subscription): boolean =>
  a.regex === b.regex &&
  a.assignor === b.assignor &&
  a.topics.length === b.topics.length &&
  a.topics.every((topic, i) => topic === b.topics[i]);

function onLeave(turn: Turn, member: MemberId, comingBack: boolean): Reply {
  const { group, live } = turn;
  const holding = group.holding(member) ?? noHolding;
  if (!comingBack || group.members.get(member)?.instance === undefined) {
    turn.remove(member);
    return done;
  }
  const session = live.sessions.get(member);
  if (session !== undefined) session.stream = undefined;
  // What it was asked to give up need not wait for it.
  acknowledge(turn, member, holding, holding.number, []);
  return done;
}

/** A new member takes the place of the one that had its instance id, which is fenced: its share stays as it is. */
function succeed(turn: Turn, hello: Hello, profile: MemberProfile, old: MemberId, instance: InstanceId): Reply {
  const { group } = turn;
  const before = group.members.get(old);
  const holding = group.holding(old);
  const target = group.target(old);
  assert(before !== undefined && holding !== undefined, 'a member has a profile and a holding');
  if (!isSame(before, profile)) turn.checkShare(profile);
  const assigned = [...holding.held].filter(([, { sentIn }]) => sentIn === holding.number);
  turn.fence(old, faults.fencedInstance(group.id, instance));
  turn.erase(old);
  const { topics, regex, assignor } = before;
  turn.putProfile(hello.member, { ...profile, topics, regex, assignor });
  turn.putTarget(hello.member, target);
  const held = assigned.map(([partition, one]): [PartitionKey, typeof one] => [partition, { ...one, sentIn: 1 }]);
  turn.putHolding(hello.member, { epoch: holding.epoch, number: 1, acked: 0, held: new Map(held) });
  turn.hear(hello.member).stream = hello.stream;
  turn.freed(revokingOf(holding));
  turn.due(hello.member, isRevoking(holding));
  if (before.rack !== profile.rack) turn.needEpoch();
  changeSubscription(turn, hello.member, profile);
  turn.tell(hello.member);
  return done;
}

/** Members that were not heard, or did not give up what they were asked to, go. */
export function expireMembers(turn: Turn): void {
  const { group, live, now } = turn;
  for (const [member, { endsAt, rebalanceEndsAt }] of live.sessions) {
    const isSilent = endsAt <= now.monotonicMs;
    if (!isSilent && !(rebalanceEndsAt !== undefined && rebalanceEndsAt <= now.monotonicMs)) continue;
    const problem = isSilent ? 'its session ended' : 'it did not give up in time what it was asked to';
    turn.fence(member, faults.fencedMember(group.id, member, problem));
    turn.remove(member);
  }
}
