import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type Assignment,
  type GroupDescription,
  type GroupId,
  groupId,
  type Hello,
  instanceId,
  type MemberDescription,
  memberId,
  type NewOffset,
  partitionOf,
  type StoredOffset,
  type Wish,
} from '@moldau/groups';
import {
  faults,
  type LeaderEpoch,
  type MoldauError,
  type Offset,
  offset,
  type PartitionKey,
  partitionIndex,
  partitionKey,
  topicId,
} from '@moldau/kernel';
import type {
  CommitFailureSchema,
  CommittedOffset,
  CommittedOffsetSchema,
  DescribeGroupResponseSchema,
  GroupMemberSchema,
  JoinHello,
  JoinSessionResponseSchema,
  OwnedPartitions,
  TopicPartition,
  TopicPartitionSchema,
} from '@moldau/proto/moldau/group/v1/group_pb';
import { toWireError } from '@moldau/rpc';

// Between the contract and the machine of groups.

/** A frame to a member. */
export type Response = Exclude<MessageInitShape<typeof JoinSessionResponseSchema>['frame'], undefined>;

/** Ids of topics are chosen by the cluster: none is longer. */
const topicIdLengthMax = 64;

export function toKey(field: string, named: TopicPartition | undefined): PartitionKey {
  if (named === undefined || named.topicId === '') throw faults.invalidRequest(field, 'names no partition');
  if (named.topicId.length > topicIdLengthMax) throw faults.invalidRequest(field, 'names no topic of a cluster');
  return partitionKey(topicId(named.topicId), partitionIndex(named.partition));
}

export function fromKey(key: PartitionKey): MessageInitShape<typeof TopicPartitionSchema> {
  const { topic, partition } = partitionOf(key);
  return { topicId: topic, partition };
}

/** A group that is named at all; the machine checks the rest. */
export function toGroup(group: string): GroupId {
  if (group === '') throw faults.invalidRequest('group', 'is empty');
  return groupId(group);
}

export function toOffset(field: string, value: bigint | undefined): Offset {
  if (value === undefined || value < 0n) throw faults.invalidRequest(field, `is ${value}: offsets begin with 0`);
  return offset(value);
}

export const toNewOffset = (one: CommittedOffset): NewOffset => ({
  partition: toKey('offsets', one.partition),
  offset: toOffset('offsets', one.offset),
  leaderEpoch: one.leaderEpoch as LeaderEpoch | undefined,
  metadata: one.metadata,
});

export function fromStored(
  key: PartitionKey,
  stored: Pick<StoredOffset, 'offset' | 'leaderEpoch' | 'metadata'> | undefined,
): MessageInitShape<typeof CommittedOffsetSchema> {
  const partition = fromKey(key);
  if (stored === undefined) return { partition };
  const { offset: at, leaderEpoch, metadata } = stored;
  return { partition, offset: at, metadata, ...(leaderEpoch !== undefined && { leaderEpoch }) };
}

/** Which topics a member wants. */
export const toWish = ({
  topics,
  topicRegex,
  assignor,
}: {
  topics: readonly string[];
  topicRegex?: string | undefined;
  assignor: string;
}): Wish => ({ topics, regex: topicRegex, assignor: assignor === '' ? undefined : assignor });

export const toHello = (hello: JoinHello, stream: number): Hello => ({
  kind: 'hello',
  group: toGroup(hello.group),
  member: memberId(hello.memberId),
  stream,
  instance: hello.instanceId === undefined ? undefined : instanceId(hello.instanceId),
  rack: hello.rack,
  rebalanceTimeoutMs: hello.rebalanceTimeoutMs,
  owned: toOwned(hello.owned),
  lastMemberEpoch: hello.lastMemberEpoch,
  lastAssignment: hello.lastAssignment === undefined ? undefined : Number(hello.lastAssignment),
  ...toWish(hello),
});

/** `undefined`: it does not say, which is not the same as nothing. */
export const toOwned = (owned: OwnedPartitions | undefined): readonly PartitionKey[] | undefined =>
  owned?.partitions.map((named) => toKey('owned', named));

export const fromAssignment = ({ number, epoch, assigned, revoke, pending }: Assignment): Response => ({
  case: 'assignment',
  value: {
    number: BigInt(number),
    memberEpoch: epoch,
    assigned: assigned.map(({ partition, committed }) => fromStored(partition, committed)),
    revoke: revoke.map(fromKey),
    pending: pending.map(fromKey),
  },
});

export const fromFailures = (
  failures: readonly { readonly partition: PartitionKey; readonly error: MoldauError }[],
): MessageInitShape<typeof CommitFailureSchema>[] =>
  failures.map(({ partition, error }) => ({ partition: fromKey(partition), error: toWireError(error) }));

const fromMember = (member: MemberDescription): MessageInitShape<typeof GroupMemberSchema> => ({
  memberId: member.member,
  memberEpoch: member.epoch,
  rack: member.rack,
  assigned: member.assigned.map(fromKey),
  revoking: member.revoking.map(fromKey),
  pending: member.pending.map(fromKey),
  ...(member.instance !== undefined && { instanceId: member.instance }),
});

/** Without the lag. */
export const fromDescription = (
  described: GroupDescription,
): Omit<MessageInitShape<typeof DescribeGroupResponseSchema>, '$typeName' | 'lag'> => ({
  group: described.group,
  groupEpoch: described.groupEpoch,
  assignmentEpoch: described.assignmentEpoch,
  assignor: described.assignor,
  members: described.members.map(fromMember),
});
