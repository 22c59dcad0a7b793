import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { groupId } from '@moldau/groups';
import { hasReason, type Millis, type MoldauError } from '@moldau/kernel';
import { groupsTopic } from '@moldau/metadata';
import {
  GroupService,
  type ListGroupsRequest,
  type ListGroupsResponseSchema,
} from '@moldau/proto/moldau/group/v1/group_pb';
import { requireAllShards } from '@moldau/routing';
import { type CallContext, type ServedService, serve } from '@moldau/rpc';
import { coordinatorOf, groupCoordinators } from './group-routes.ts';
import { JoinBridge } from './join-bridge.ts';
import { isAboutPlace, isAboutPlaceOrLost, LeaderSearch } from './leader-search.ts';
import type { GatewayParts } from './parts.ts';

/** What the service is made of. */
export interface GroupServiceParts extends GatewayParts {
  /** Throws NOT_SERVING while the gateway does not serve. */
  readonly requireServing: () => void;
  /** Serves a session to its end, and knows of it until then. Throws OVERLOADED when there are too many. */
  readonly hold: (session: JoinBridge) => Promise<void>;
}

/** A coordinator is looked for so long: who asks can ask again. */
const patienceMs: Millis = 5_000;
const pageMax = 1_000;

/** `GroupService` of the whole cluster behind one address: every call goes to whoever coordinates the group. */
export function groupService(parts: GroupServiceParts): ServedService {
  const { view, connections, requireServing, hold } = parts;
  const { method } = GroupService;

  const passed =
    <I extends DescMessage, O extends DescMessage>(
      called: DescMethodUnary<I, O>,
      mayRepeat: (error: MoldauError) => boolean,
    ) =>
    (request: MessageShape<I> & { readonly group: string }, context: CallContext): Promise<MessageInitShape<O>> => {
      requireServing();
      const search = LeaderSearch.within(parts, context, patienceMs);
      return search.ask(
        () => coordinatorOf(view, groupId(request.group)),
        ({ address }) =>
          connections
            .to(address, 'control')
            .unary(called, request as MessageInitShape<I>, { signal: context.signal }) as Promise<MessageInitShape<O>>,
        mayRepeat,
      );
    };
  // What moves nothing, or moves it to the same place when it is done twice.
  const repeatable = (error: MoldauError): boolean => isElsewhere(error) || isAboutPlaceOrLost(error);
  // A shift that is done twice goes twice as far.
  const once = (error: MoldauError): boolean => isElsewhere(error) || isAboutPlace(error);

  return serve(GroupService, {
    joinSession: (session) => hold(new JoinBridge(session, parts)),
    commitOffsets: passed(method.commitOffsets, repeatable),
    getOffsets: passed(method.getOffsets, repeatable),
    describeGroup: passed(method.describeGroup, repeatable),
    deleteGroup: passed(method.deleteGroup, once),
    seekGroup: passed(method.seekGroup, once),
    listGroups: (request, context) => {
      requireServing();
      return listGroups(request, context, parts);
    },
    findGroupCoordinator: async ({ group }) => {
      requireServing();
      return { nodeId: coordinatorOf(view, groupId(group)).id };
    },
  });
}

const isElsewhere = (error: MoldauError): boolean => hasReason(error, 'NOT_COORDINATOR');

/** A page of what all of them have: each has its own groups, and all go by the last id of the page before. */
async function listGroups(
  { pageSize, pageToken }: ListGroupsRequest,
  context: CallContext,
  parts: GatewayParts,
): Promise<MessageInitShape<typeof ListGroupsResponseSchema>> {
  const limit = pageSize === 0 ? pageMax : Math.min(pageSize, pageMax);
  const { connections, view } = parts;
  const search = LeaderSearch.within(parts, context, patienceMs);
  const pages = await search.ask(
    () => groupCoordinators(view),
    async (nodes) => {
      const answers = await Promise.all(
        nodes.map(({ address }) =>
          connections
            .to(address, 'control')
            .unary(GroupService.method.listGroups, { pageSize: limit, pageToken }, { signal: context.signal }),
        ),
      );
      const told = answers.flatMap(({ shards }) => shards);
      requireAllShards(told, groupsTopic.partitions);
      return answers;
    },
    isAboutPlaceOrLost,
  );
  // A shard that moves may be with two of them.
  const found = new Map(pages.flatMap((page) => page.groups.map((group, i) => [group, page.members[i] ?? 0] as const)));
  const groups = [...found.keys()].sort().slice(0, limit);
  const hasMore = found.size > limit || pages.some(({ nextPageToken }) => nextPageToken !== '');
  const shards = [...new Set(pages.flatMap((page) => page.shards))].sort((a, b) => a - b);
  return {
    groups,
    members: groups.map((group) => found.get(group) ?? 0),
    nextPageToken: hasMore ? (groups.at(-1) ?? '') : '',
    shards,
    shardCount: groupsTopic.partitions,
  };
}
