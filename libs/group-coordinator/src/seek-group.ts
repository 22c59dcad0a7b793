import type { MessageInitShape } from '@bufbuild/protobuf';
import { limits, type NewOffset, type StoredOffset } from '@moldau/groups';
import { faults, offset, type PartitionKey } from '@moldau/kernel';
import type { SeekGroupRequest, SeekGroupResponseSchema, SeekTarget } from '@moldau/proto/moldau/group/v1/group_pb';
import { ask, type GroupServiceParts } from './group-service.ts';
import { earliest, type Found, type Lookup, latest } from './log-ends.ts';
import { fromStored, toGroup, toKey } from './wire.ts';

/** What is to be looked up for one target: the start, the end, and where it asks for a place that. */
interface Wanted {
  readonly partition: PartitionKey;
  readonly target: SeekTarget;
  readonly lookups: readonly Lookup[];
}

/** Serves `GroupService.SeekGroup`: resolves the targets, all or none, and commits them. */
export async function seekGroup(
  { group, targets, force, validateOnly }: SeekGroupRequest,
  parts: Pick<GroupServiceParts, 'shards' | 'ends' | 'seeTopics'>,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof SeekGroupResponseSchema>> {
  const id = toGroup(group);
  parts.seeTopics();
  if (targets.length > limits.offsetsMax)
    throw faults.invalidRequest('targets', `are ${targets.length}: at most ${limits.offsetsMax}`);
  const wanted = targets.map(wantedOf);
  const { offsets: committed } = await ask(
    parts,
    id,
    signal,
    () => ({ kind: 'get-offsets', group: id, partitions: wanted.map(({ partition }) => partition) }),
    'offsets',
  );
  const found = await parts.ends.find(wanted.flatMap(({ lookups }) => lookups));
  let next = 0;
  const offsets = wanted.map((one): NewOffset => {
    const answers = found.slice(next, next + one.lookups.length).map(required);
    next += one.lookups.length;
    const at = resolve(one, answers, committed.get(one.partition));
    return { partition: one.partition, offset: offset(at), leaderEpoch: undefined, metadata: '' };
  });
  const reply = await ask(
    parts,
    id,
    signal,
    () => ({ kind: 'seek', group: id, offsets, force, validateOnly }),
    'committed',
  );
  const [failure] = reply.failures;
  if (failure !== undefined) throw failure.error;
  return { offsets: offsets.map((one) => fromStored(one.partition, one)) };
}

function wantedOf(target: SeekTarget): Wanted {
  const partition = toKey('targets', target.partition);
  const ends = [
    { partition, place: earliest },
    { partition, place: latest },
  ];
  if (target.to.case === undefined) throw faults.invalidRequest('targets', 'say nowhere to go');
  if (target.to.case === 'shift') return { partition, target, lookups: ends };
  return { partition, target, lookups: [...ends, { partition, place: target.to.value }] };
}

function resolve(
  { target, partition }: Wanted,
  [start = 0n, end = 0n, place]: readonly (bigint | undefined)[],
  committed: StoredOffset | undefined,
): bigint {
  const { to } = target;
  if (to.case === 'shift') {
    if (committed === undefined)
      throw faults.invalidRequest('shift', `has nothing committed in ${partition} to count from`);
    const at = committed.offset + to.value;
    return at < start ? start : at > end ? end : at;
  }
  if (to.case === 'position' && to.value.at.case === 'offset' && (to.value.at.value < start || to.value.at.value > end))
    throw faults.offsetOutOfRange(to.value.at.value, offset(start), offset(end));
  // Behind every record.
  return place ?? end;
}

function required(found: Found): bigint | undefined {
  if ('error' in found) throw found.error;
  return found.offset;
}
