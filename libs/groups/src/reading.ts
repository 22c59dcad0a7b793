import { faults, type PartitionKey } from '@moldau/kernel';
import type { StoredOffset } from './group-records.ts';
import type { GroupState, ShardState } from './group-state.ts';
import { assignedOf, isRevoking, noHolding, revokingOf } from './holdings.ts';
import type { GroupId, MemberId } from './ids.ts';
import type { MemberDescription, MemberPhase, Reply } from './requests.ts';
import { assignorOf, pendingOf } from './turn.ts';

// Reads see the live state, which may be ahead of what is committed: see Step.

export function describe(group: GroupState): Reply {
  if (group.isGone) return { kind: 'refused', error: faults.unknownGroup(group.id) };
  const { groupEpoch, assignmentEpoch } = group.head;
  const members = [...group.members.keys()].sort().map((member) => describeMember(group, member));
  const offsets = new Map(group.offsets);
  const assignor = assignorOf(group);
  return {
    kind: 'described',
    description: { group: group.id, groupEpoch, assignmentEpoch, assignor, members, offsets },
  };
}

function describeMember(group: GroupState, member: MemberId): MemberDescription {
  const profile = group.members.get(member);
  const holding = group.holding(member) ?? noHolding;
  return {
    member,
    instance: profile?.instance,
    rack: profile?.rack ?? '',
    epoch: holding.epoch,
    phase: phaseOf(group, member),
    assigned: assignedOf(holding),
    revoking: revokingOf(holding),
    pending: pendingOf(group, member),
  };
}

export function phaseOf(group: GroupState, member: MemberId): MemberPhase {
  if (isRevoking(group.holding(member) ?? noHolding)) return 'unrevoked';
  return pendingOf(group, member).length > 0 ? 'unreleased' : 'stable';
}

/** Every member has what it is to own, and says so. */
export function isSettled(group: GroupState): boolean {
  return [...group.members.keys()].every((member) => {
    const { number, acked } = group.holding(member) ?? noHolding;
    return number === acked && phaseOf(group, member) === 'stable';
  });
}

export function readOffsets(group: GroupState, partitions: readonly PartitionKey[] | undefined): Reply {
  if (partitions === undefined) return { kind: 'offsets', offsets: new Map(group.offsets) };
  const found = partitions.flatMap((partition): [PartitionKey, StoredOffset][] => {
    const stored = group.offsets.get(partition);
    return stored === undefined ? [] : [[partition, stored]];
  });
  return { kind: 'offsets', offsets: new Map(found) };
}

export function listGroups(shard: ShardState, after: GroupId | undefined, limit: number): Reply {
  const ids = [...shard.groups.keys()].filter((id) => after === undefined || id > after).sort();
  const groups = ids.slice(0, limit).map((id) => ({ id, members: shard.groups.get(id)?.members.size ?? 0 }));
  return { kind: 'groups', groups, hasMore: ids.length > limit };
}
