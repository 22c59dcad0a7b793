import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import type { Admin } from '../admin.ts';
import type { ClientPorts } from '../client-ports.ts';
import type { TopicPartition } from '../consumer.ts';
import type { AssignedPartition } from './assigned-partition.ts';
import { GroupCoordinators } from './group-coordinators.ts';
import { fromNamed, keyOf } from './membership-wire.ts';

/** How far a member is behind, on one of its partitions. */
export interface PartitionLag extends TopicPartition {
  /** Records between this member's position, or the log start where that is above it, and the end. */
  readonly records: bigint;
}

/** What the group has committed of these. */
export async function committedBy(
  group: string,
  assigned: readonly AssignedPartition[],
  ports: ClientPorts,
): Promise<(TopicPartition & { readonly offset: bigint | undefined })[]> {
  if (assigned.length === 0) return [];
  const request = { group, partitions: assigned.map(fromNamed) };
  const { offsets } = await new GroupCoordinators(ports).call(group, (channel, timeoutMs) =>
    channel.unary(GroupService.method.getOffsets, request, { timeoutMs }),
  );
  const found = new Map(
    offsets.flatMap(({ partition, offset }) => (partition === undefined ? [] : [[keyOf(partition), offset] as const])),
  );
  return assigned.map(({ key, topic, partition }) => ({ topic, partition, offset: found.get(key) }));
}

/** How far their positions are behind what they hold. */
export async function lagOf(assigned: readonly AssignedPartition[], admin: Admin): Promise<PartitionLag[]> {
  const topics = Map.groupBy(assigned, ({ topic }) => topic);
  const lags = [...topics].map(async ([topic, some]): Promise<PartitionLag[]> => {
    const partitions = some.map(({ partition }) => partition);
    const [ends, starts] = await Promise.all([
      admin.listOffsets(topic, 'end', partitions),
      admin.listOffsets(topic, 'start', partitions),
    ]);
    return some.map(({ partition, position, source }, index) => {
      const start = starts[index]?.offset ?? 0n;
      const end = ends[index]?.offset ?? start;
      const reached = position ?? source.next ?? start;
      const from = reached > start ? reached : start;
      return { topic, partition, records: end > from ? end - from : 0n };
    });
  });
  return (await Promise.all(lags)).flat();
}
