import { faults, MoldauError, type PartitionKey, type TopicId } from '@moldau/kernel';
import type { GroupState } from './group-state.ts';
import { noHolding } from './holdings.ts';
import { partitionOf } from './ids.ts';
import { checkGroupId, checkMetadata, checkOffsets, limits } from './limits.ts';
import { whyNotHeard } from './membership.ts';
import type { Commit, GroupRequest, NewOffset, Reply } from './requests.ts';
import type { Turn } from './turn.ts';

type Seek = Extract<GroupRequest, { readonly kind: 'seek' }>;

/** A member commits what is its own, under an epoch in which it was; anybody else only where nobody is a member. */
export function onCommit(turn: Turn, { by, offsets }: Commit): Reply {
  const { group } = turn;
  checkGroupId(group.id);
  checkOffsets(offsets);
  if (by === undefined) {
    if (group.members.size > 0) return { kind: 'refused', error: faults.groupNotEmpty(group.id, group.members.size) };
    return store(turn, offsets, () => {});
  }
  if (!group.members.has(by.member)) return { kind: 'fenced', error: faults.unknownMember(group.id, by.member) };
  if (by.stream !== undefined) {
    const error = whyNotHeard(turn, by.member, by.stream);
    if (error !== undefined) return { kind: 'fenced', error };
    turn.hear(by.member);
  }
  const { epoch, held } = group.holding(by.member) ?? noHolding;
  return store(turn, offsets, ({ partition }) => {
    const since = held.get(partition)?.assignmentEpoch;
    if (since !== undefined && since <= by.epoch && by.epoch <= epoch) return;
    throw faults.staleMemberEpoch(partition, by.epoch, epoch, since);
  });
}

export function onSeek(turn: Turn, { offsets, force, validateOnly }: Seek): Reply {
  const { group } = turn;
  checkGroupId(group.id);
  checkOffsets(offsets);
  if (group.members.size > 0 && !force) {
    return { kind: 'refused', error: faults.groupNotEmpty(group.id, group.members.size) };
  }
  for (const one of offsets) check(turn, one);
  // All or none.
  const more = new Set(offsets.map(({ partition }) => partition).filter((partition) => !group.offsets.has(partition)));
  checkRoom(group, more.size);
  return validateOnly ? { kind: 'committed', failures: [] } : store(turn, offsets, () => {});
}

/** Stores each that is allowed, and says why the others are not. */
function store(turn: Turn, offsets: readonly NewOffset[], allow: (one: NewOffset) => void): Reply {
  const failures: { partition: PartitionKey; error: MoldauError }[] = [];
  for (const one of offsets) {
    try {
      allow(one);
      check(turn, one);
    } catch (error) {
      if (!(error instanceof MoldauError)) throw error;
      failures.push({ partition: one.partition, error });
      continue;
    }
    const { partition, offset, leaderEpoch, metadata } = one;
    const value = { offset, leaderEpoch, metadata, committedAtMs: turn.now.wallMs };
    turn.put({ kind: 'offset', group: turn.group.id, partition, value });
  }
  if (turn.group.members.size === 0) turn.watchExpiry(turn.now.wallMs);
  return { kind: 'committed', failures };
}

/** Throws what is wrong with a position whoever commits it. */
function check(turn: Turn, one: NewOffset): void {
  const { topic, partition } = partitionOf(one.partition);
  const known = turn.subscriptions.topics.byId.get(topic);
  if (known === undefined) throw faults.unknownTopic(topic);
  if (!(partition < known.partitions)) throw faults.unknownPartition(known.name, partition, known.partitions);
  checkMetadata(one);
  if (!turn.group.offsets.has(one.partition)) checkRoom(turn.group, 1);
}

/** Throws when so many positions more are too many. */
function checkRoom({ offsets, shardPositions }: GroupState, more: number): void {
  if (shardPositions + more > limits.shardPositionsMax) throw faults.shardFull('positions', limits.shardPositionsMax);
  if (offsets.size + more > limits.positionsMax)
    throw faults.invalidRequest('offsets', `would be on more than ${limits.positionsMax} partitions in this group`);
}

/** Offsets of a group go when it has been without members for the retention, and were not committed since; then the group does. */
export function expireOffsets(turn: Turn, recordsMax: number): void {
  const { group, now, options } = turn;
  // Whom the last member left just now is empty from the end of this turn on.
  if (group.members.size > 0 || turn.needsEpoch) return;
  const { emptySinceMs = Number.NEGATIVE_INFINITY } = group.head;
  const before = now.wallMs - options.offsetsRetentionMs;
  if (emptySinceMs > before) return turn.watchExpiry(emptySinceMs);
  let left = recordsMax;
  for (const [partition, { committedAtMs }] of group.offsets) {
    if (committedAtMs > before) {
      turn.watchExpiry(committedAtMs);
      continue;
    }
    if (left === 0) return turn.live.wakeBy(now.monotonicMs);
    left -= 1;
    turn.put({ kind: 'offset', group: group.id, partition, value: undefined });
  }
  if (group.offsets.size === 0 && group.hasHead) turn.put({ kind: 'head', group: group.id, value: undefined });
}

/** Drops what a group has committed in a topic that is gone; returns true when there may be more. */
export function forgetTopic(turn: Turn, gone: TopicId, recordsMax: number): boolean {
  let left = recordsMax;
  for (const partition of turn.group.offsets.keys()) {
    if (partitionOf(partition).topic !== gone) continue;
    if (left === 0) return true;
    left -= 1;
    turn.put({ kind: 'offset', group: turn.group.id, partition, value: undefined });
  }
  return false;
}

/** A group without members goes at once, with all that it has committed. */
export function onDelete(turn: Turn, validateOnly: boolean): Reply {
  const { group } = turn;
  if (group.isGone) return { kind: 'refused', error: faults.unknownGroup(group.id) };
  if (group.members.size > 0) return { kind: 'refused', error: faults.groupNotEmpty(group.id, group.members.size) };
  if (validateOnly) return { kind: 'done' };
  for (const partition of group.offsets.keys()) {
    turn.put({ kind: 'offset', group: group.id, partition, value: undefined });
  }
  if (group.hasHead) turn.put({ kind: 'head', group: group.id, value: undefined });
  return { kind: 'done' };
}
