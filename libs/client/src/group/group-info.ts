import type { Millis } from '@moldau/kernel';
import type {
  DescribeGroupResponse,
  GroupLag,
  GroupMember,
  TopicPartition as WirePartition,
} from '@moldau/proto/moldau/group/v1/group_pb';
import type { TopicPartition } from '../consumer.ts';

/** A group in a list. */
export interface GroupSummary {
  readonly group: string;
  /** How many it has now. 0: it is empty, and may be moved and deleted. */
  readonly members: number;
}

/** Where a group stands on one partition. */
export interface GroupPosition extends TopicPartition {
  /** The next offset to read. `undefined`: nothing is committed, but a member has the partition. */
  readonly committed: bigint | undefined;
  /** The offset behind the last record. `undefined`: its leader could not be asked. */
  readonly end: bigint | undefined;
  /** Records from `committed`, or from the log start where that is above it, to the end. `undefined`: one of both is not known. */
  readonly lag: bigint | undefined;
  /** For how long the first record that is not read has been there. 0: all is read. `undefined`: not known. */
  readonly behindMs: Millis | undefined;
  /** Text that was committed with the offset. */
  readonly metadata: string;
  /** The member that has the partition. `undefined`: none does. */
  readonly memberId: string | undefined;
}

/** One member of a group. */
export interface GroupMemberInfo {
  readonly memberId: string;
  /** `undefined`: it has no name of its own. */
  readonly instanceId: string | undefined;
  readonly epoch: number;
  readonly rack: string;
  readonly assigned: readonly TopicPartition[];
  /** What it was asked to give up, and has not. */
  readonly revoking: readonly TopicPartition[];
  /** What it will get once others have given it up. */
  readonly pending: readonly TopicPartition[];
}

/** A group, with its members and where it stands. */
export interface GroupInfo {
  readonly group: string;
  /** Grows with each member and subscription that changes. */
  readonly epoch: number;
  /** The group epoch that the members are on their way to. */
  readonly assignmentEpoch: number;
  readonly assignor: string;
  readonly members: readonly GroupMemberInfo[];
  readonly positions: readonly GroupPosition[];
}

/** Every topic that the answer speaks of, once. */
export function topicIdsOf({ members, lag }: DescribeGroupResponse): ReadonlySet<string> {
  const partitions = members.flatMap(({ assigned, revoking, pending }) => [...assigned, ...revoking, ...pending]);
  const positions = lag.flatMap(({ committed }) => committed?.partition ?? []);
  return new Set([...partitions, ...positions].map(({ topicId }) => topicId));
}

/** A group as it was answered. `names`: of its topics, by id; what is of a topic without a name is left out. */
export function describedGroup(answer: DescribeGroupResponse, names: ReadonlyMap<string, string>): GroupInfo {
  const named = ({ topicId, partition }: WirePartition): TopicPartition[] => {
    const topic = names.get(topicId);
    return topic === undefined ? [] : [{ topic, partition }];
  };
  const all = (partitions: readonly WirePartition[]): TopicPartition[] => partitions.flatMap(named).sort(inOrder);
  const memberOf = (member: GroupMember): GroupMemberInfo => ({
    ...{ memberId: member.memberId, instanceId: member.instanceId, epoch: member.memberEpoch, rack: member.rack },
    ...{ assigned: all(member.assigned), revoking: all(member.revoking), pending: all(member.pending) },
  });
  const members = answer.members.map(memberOf).sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const owners = new Map(
    members.flatMap(({ memberId, assigned }) => assigned.map((at) => [nameOf(at), memberId] as const)),
  );
  const positionsOf = ({ committed, records, behindMs, endOffset }: GroupLag): GroupPosition[] =>
    (committed?.partition === undefined ? [] : named(committed.partition)).map((at) => ({
      ...at,
      committed: committed?.offset,
      end: endOffset,
      lag: records,
      behindMs: behindMs === undefined ? undefined : Number(behindMs),
      metadata: committed?.metadata ?? '',
      memberId: owners.get(nameOf(at)),
    }));
  return {
    group: answer.group,
    epoch: answer.groupEpoch,
    assignmentEpoch: answer.assignmentEpoch,
    assignor: answer.assignor,
    members,
    positions: answer.lag.flatMap(positionsOf).sort(inOrder),
  };
}

export const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

export function inOrder(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition;
}
