import type { MessageInitShape } from '@bufbuild/protobuf';
import { type PartitionKey, partitionIndex, partitionKey, topicId } from '@moldau/kernel';
import type {
  Assignment,
  CommittedOffset,
  TopicPartition,
  TopicPartitionSchema,
} from '@moldau/proto/moldau/group/v1/group_pb';
import type { Granted, NamedPartition } from './membership-machine.ts';

// Between the contract and the machine of a membership.

export const keyOf = ({ topicId: topic, partition }: Pick<TopicPartition, 'topicId' | 'partition'>): PartitionKey =>
  partitionKey(topicId(topic), partitionIndex(partition));

export const fromNamed = ({
  topicId: topic,
  partition,
}: NamedPartition): MessageInitShape<typeof TopicPartitionSchema> => ({
  topicId: topic,
  partition,
});

export const toAssignment = ({ number, memberEpoch, assigned }: Assignment) => ({
  number,
  epoch: memberEpoch,
  assigned: assigned.flatMap(toGranted),
});

function toGranted({ partition: named, offset, leaderEpoch }: CommittedOffset): Granted[] {
  if (named === undefined) return [];
  const { topicId: topic, partition } = named;
  const committed = offset === undefined ? undefined : { offset, leaderEpoch };
  return [{ key: keyOf(named), topicId: topic, partition, committed }];
}
