import type { MessageInitShape } from '@bufbuild/protobuf';
import { type GroupId, groupId, memberId, type Reply, type Request } from '@moldau/groups';
import { AssertionFailed, faults, type Millis } from '@moldau/kernel';
import {
  type CommitOffsetsRequest,
  type CommitOffsetsResponseSchema,
  type DescribeGroupRequest,
  type DescribeGroupResponseSchema,
  type FindGroupCoordinatorRequest,
  type GetOffsetsRequest,
  type GetOffsetsResponseSchema,
  GroupService,
  type ListGroupsRequest,
  type ListGroupsResponseSchema,
} from '@moldau/proto/moldau/group/v1/group_pb';
import { type CallContext, type Handler, type ServedService, serve } from '@moldau/rpc';
import type { CommitChecks } from './commit-checks.ts';
import { lagOf } from './lag.ts';
import type { LogEnds } from './log-ends.ts';
import type { OwnedShards } from './owned-shards.ts';
import { seekGroup } from './seek-group.ts';
import { fromDescription, fromFailures, fromStored, toGroup, toKey, toNewOffset } from './wire.ts';

/** What the handlers work with. */
export interface GroupServiceParts {
  readonly shards: OwnedShards;
  readonly checks: CommitChecks;
  readonly ends: LogEnds;
  /** In wall-clock time. */
  readonly nowMs: () => Millis;
  readonly requireServing: () => void;
  /** Groups know of every topic that this process knows of: whoever has just made one may commit there. */
  readonly seeTopics: () => void;
  readonly join: Handler<typeof GroupService.method.joinSession>;
}

type Of<K extends Reply['kind']> = Extract<Reply, { readonly kind: K }>;

/** Serves `GroupService` for the groups of the shards that this process owns. */
export function groupService(parts: GroupServiceParts): ServedService {
  const serving =
    <I, O>(handle: (request: I, parts: GroupServiceParts, context: CallContext) => Promise<O>) =>
    (request: I, context: CallContext): Promise<O> => {
      parts.requireServing();
      return handle(request, parts, context);
    };
  return serve(GroupService, {
    joinSession: parts.join,
    commitOffsets: serving(commitOffsets),
    getOffsets: serving(getOffsets),
    listGroups: serving(listGroups),
    describeGroup: serving(describeGroup),
    deleteGroup: serving(async ({ group, validateOnly }, _, { signal }) => {
      await ask(parts, toGroup(group), signal, (id) => ({ kind: 'delete', group: id, validateOnly }), 'done');
      return {};
    }),
    seekGroup: serving((request, _, { signal }) => seekGroup(request, parts, signal)),
    findGroupCoordinator: serving(async ({ group }: FindGroupCoordinatorRequest) => {
      const nodeId = parts.shards.coordinator(toGroup(group));
      if (nodeId === undefined) throw faults.notServing(`the coordinator of group ${JSON.stringify(group)}`, 'away');
      return { nodeId };
    }),
  });
}

/** Asks the machine, fresh, and returns the reply of this kind. Throws what it refuses with. */
export async function ask<K extends Reply['kind']>(
  { shards }: Pick<GroupServiceParts, 'shards'>,
  group: GroupId,
  signal: AbortSignal,
  request: (group: GroupId) => Request,
  kind: K,
): Promise<Of<K>> {
  const owned = shards.of(group);
  await owned.owner.ready(signal);
  const reply = await shards.ask(owned, request(group), true);
  if (reply.kind === 'refused' || reply.kind === 'fenced') throw reply.error;
  if (reply.kind !== kind) throw new AssertionFailed(`a reply ${reply.kind} to a request for ${kind}`);
  return reply as Of<K>;
}

async function commitOffsets(
  { group, offsets, memberId: member, memberEpoch }: CommitOffsetsRequest,
  parts: GroupServiceParts,
  { signal }: CallContext,
): Promise<MessageInitShape<typeof CommitOffsetsResponseSchema>> {
  if (member !== '' && memberEpoch === undefined) throw faults.invalidRequest('member_epoch', 'is missing');
  const id = toGroup(group);
  parts.shards.of(id);
  parts.seeTopics();
  const { good, failures } = await parts.checks.check(offsets.map(toNewOffset));
  const by =
    memberEpoch === undefined ? undefined : { member: memberId(member), epoch: memberEpoch, stream: undefined };
  const reply = await ask(parts, id, signal, () => ({ kind: 'commit', group: id, by, offsets: good }), 'committed');
  return { failures: fromFailures([...failures, ...reply.failures]) };
}

async function getOffsets(
  { group, partitions }: GetOffsetsRequest,
  parts: GroupServiceParts,
  { signal }: CallContext,
): Promise<MessageInitShape<typeof GetOffsetsResponseSchema>> {
  const wanted = partitions.length === 0 ? undefined : partitions.map((named) => toKey('partitions', named));
  const { offsets } = await ask(
    parts,
    toGroup(group),
    signal,
    (id) => ({ kind: 'get-offsets', group: id, partitions: wanted }),
    'offsets',
  );
  return { offsets: [...offsets].map(([partition, stored]) => fromStored(partition, stored)) };
}

const groupsPageMax = 1_000;

/** Of every shard that is owned here, or NOT_SERVING: a list that lacks some would look like all there are. */
async function listGroups(
  { pageSize, pageToken }: ListGroupsRequest,
  { shards }: GroupServiceParts,
  { signal }: CallContext,
): Promise<MessageInitShape<typeof ListGroupsResponseSchema>> {
  const limit = pageSize === 0 ? groupsPageMax : Math.min(pageSize, groupsPageMax);
  const after = pageToken === '' ? undefined : groupId(pageToken);
  const owned = shards.all();
  const pages = await Promise.all(
    owned.map(async (one) => {
      await one.owner.ready(signal);
      return shards.ask(one, { kind: 'list', after, limit }, true);
    }),
  );
  const found = pages.flatMap((page) => (page.kind === 'groups' ? page.groups : []));
  const listed = found.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit);
  const hasMore = found.length > limit || pages.some((page) => page.kind === 'groups' && page.hasMore);
  const nextPageToken = hasMore ? (listed.at(-1)?.id ?? '') : '';
  return {
    groups: listed.map(({ id }) => id),
    members: listed.map(({ members }) => members),
    nextPageToken,
    shards: owned.map(({ shard }) => shard),
    shardCount: shards.count,
  };
}

async function describeGroup(
  { group }: DescribeGroupRequest,
  parts: GroupServiceParts,
  { signal }: CallContext,
): Promise<MessageInitShape<typeof DescribeGroupResponseSchema>> {
  const { description } = await ask(
    parts,
    toGroup(group),
    signal,
    (id) => ({ kind: 'describe', group: id }),
    'described',
  );
  const assigned = description.members.flatMap((member) => member.assigned.map((key) => [key, undefined] as const));
  const positions = new Map([...assigned, ...description.offsets]);
  return { ...fromDescription(description), lag: await lagOf(positions, parts.ends, parts.nowMs) };
}
