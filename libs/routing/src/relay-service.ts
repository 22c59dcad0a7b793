import { faults, type Millis, type Random, randomName, type Timers } from '@moldau/kernel';
import { ClusterService, type GetMetadataRequest } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import type { Node } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import { type CallContext, type ServedService, serve } from '@moldau/rpc';
import type { CatchUp } from './catch-up.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Forwarding } from './forwarding.ts';
import { checkNames, wantedTopics } from './metadata-request.ts';
import { watchMetadata } from './metadata-watch.ts';

/** Which address of a node clients are told: its own, or the one by which they called. */
export type Advertise = 'registered' | 'authority';

/** What the service is made of. */
export interface RelayParts {
  readonly view: ClusterView;
  readonly forwarding: Forwarding;
  readonly catchUp: CatchUp;
  readonly advertise: Advertise;
  readonly timers: Timers;
  readonly random: Random;
  /** Ends the watches. */
  readonly stopped: AbortSignal;
}

/** A change is answered when this process knows of it, so that its caller finds it here; but not later than this. */
const knownWithinMs = 2_000;

/**
 * `ClusterService` of a process that is no coordinator: metadata from its own view, everything else by those who decide.
 * A change that was asked for without a request id gets one, for it may have to be asked for twice.
 */
export function relayService(parts: RelayParts): ServedService {
  const { view, forwarding, timers, random, stopped } = parts;
  const { method } = ClusterService;

  const seenBy = (nodes: readonly Node[], { authority }: CallContext): Node[] =>
    parts.advertise === 'registered' ? [...nodes] : nodes.map((node) => ({ ...node, address: authority }));

  const identified = <R extends { requestId?: string | undefined }>(request: R): R => {
    request.requestId ??= randomName(random);
    return request;
  };

  /** The answer to a change, once this process knows of it. */
  const known = async <A extends { version: bigint }>(
    answering: Promise<A>,
    { validateOnly }: { validateOnly: boolean },
    { timeLeftMs, signal }: CallContext,
  ): Promise<A> => {
    const answer = await answering;
    if (!validateOnly) await view.reached(answer.version, withinMs(timeLeftMs()), signal);
    return answer;
  };

  return serve(ClusterService, {
    async getMetadata(request, context) {
      checkNames([...request.topics, ...request.topicIds]);
      requireKnown(view);
      await findMissing(parts, request, context);
      return {
        clusterId: view.clusterId,
        version: view.version,
        nodes: seenBy(view.nodes(), context),
        topics: wantedTopics(view, request),
      };
    },

    async *watchMetadata(request, context) {
      checkNames(request.topics);
      requireKnown(view);
      const signal = AbortSignal.any([context.signal, stopped]);
      for await (const { nodes, topics, removedTopics, removedNodes, ...rest } of watchMetadata(
        view,
        timers,
        request.topics,
        signal,
      )) {
        yield {
          ...rest,
          clusterId: view.clusterId,
          nodes: seenBy(nodes, context),
          removedNodes: [...removedNodes],
          topics: [...topics],
          removedTopicIds: [...removedTopics],
        };
      }
      if (stopped.aborted) throw stopped.reason;
    },

    createTopic: (request, context) =>
      known(forwarding.pass(method.createTopic, identified(request), context), request, context),
    deleteTopic: (request, context) =>
      known(forwarding.pass(method.deleteTopic, identified(request), context), request, context),
    updateTopic: (request, context) =>
      known(forwarding.pass(method.updateTopic, identified(request), context), request, context),
    reassignPartitions: (request, context) =>
      known(forwarding.pass(method.reassignPartitions, identified(request), context), request, context),
    drainNode: (request, context) => forwarding.pass(method.drainNode, identified(request), context),
    describeTopic: (request, context) => forwarding.pass(method.describeTopic, request, context),
    listTopics: (request, context) => forwarding.pass(method.listTopics, request, context),
    describeCluster: (request, context) => forwarding.pass(method.describeCluster, request, context),
    listReassignments: (request, context) => forwarding.pass(method.listReassignments, request, context),

    async listNodes(request, context) {
      const { nodes, nextPageToken } = await forwarding.pass(method.listNodes, request, context);
      return { nodes: seenBy(nodes, context), nextPageToken };
    },
  });
}

/** Half of the caller's time is kept for the answer. */
const withinMs = (timeLeftMs = knownWithinMs): Millis => Math.min(knownWithinMs, timeLeftMs / 2);

function requireKnown(view: ClusterView): void {
  if (!view.isKnown) throw faults.notServing('this process', 'still asking the coordinators for metadata');
}

/** What the view does not know may be new, or is to be created. */
async function findMissing(
  { view, forwarding, catchUp }: RelayParts,
  { topics, topicIds, autoCreate }: GetMetadataRequest,
  context: CallContext,
): Promise<void> {
  const missing = topics.filter((name) => view.topicByName(name) === undefined);
  if (autoCreate && missing.length > 0) {
    const request = { topics: missing, autoCreate };
    const { version } = await forwarding.pass(ClusterService.method.getMetadata, request, context);
    if (await view.reached(version, withinMs(context.timeLeftMs()), context.signal)) return;
    throw faults.notServing('the metadata of this process', `older than version ${version}`);
  }
  const isAllThere = missing.length === 0 && topicIds.every((id) => view.topic(id) !== undefined);
  if (!isAllThere && !context.forwarded) await catchUp.now();
}
