import {
  type Clock,
  faults,
  type Logger,
  type Millis,
  type NodeId,
  nodeEpoch,
  nodeId,
  type Revision,
  revision,
  type Timers,
} from '@moldau/kernel';
import { producerBlockSize } from '@moldau/metadata';
import { ControllerService } from '@moldau/proto/moldau/internal/v1/controller_pb';
import { type ServedService, serve } from '@moldau/rpc';
import type { GroupShards } from './group-shards.ts';
import type { ImageKeeper } from './image-keeper.ts';
import type { IsrChanges } from './isr-changes.ts';
import type { NodeConditions } from './node-conditions.ts';
import type { NodeRoster } from './node-roster.ts';
import { type NodeHears, type NodeSays, NodeSession, type NodeStream } from './node-session.ts';
import type { ProducerIds } from './producer-ids.ts';
import { type Registrar, wrongCluster } from './registration.ts';
import * as wire from './wire.ts';

/** What the service needs of a coordinator that is active. */
export interface ControllerParts {
  readonly clusterId: string;
  readonly keeper: ImageKeeper;
  readonly registrar: Registrar;
  readonly roster: NodeRoster;
  readonly conditions: NodeConditions;
  readonly groupShards: GroupShards;
  readonly isrChanges: IsrChanges;
  readonly producerIds: ProducerIds;
  /** Rejects with NOT_SERVING when the store is older than what a node has seen. */
  requireNotRestored(node: NodeId, seen: Revision): Promise<void>;
}

const messageVersion = 1;

/** `active` throws NOT_SERVING while there is nothing to serve. */
export function controllerService(
  active: () => ControllerParts,
  sessionTimeoutMs: Millis,
  ports: { clock: Clock; timers: Timers; logger: Logger },
): ServedService {
  return serve(ControllerService, {
    async registerNode(request) {
      const term = active();
      const { registrar, clusterId } = term;
      if (request.version > messageVersion) {
        throw faults.invalidRequest('version', `is ${request.version}: this coordinator knows ${messageVersion}`);
      }
      const asked = wire.fromRegisterNode(request);
      if (asked.clusterId === clusterId) await term.requireNotRestored(asked.node, revision(request.highestVersion));
      const epoch = await registrar.register(asked);
      return { clusterId, nodeEpoch: epoch, sessionTimeoutMs };
    },

    async nodeSession(session) {
      const parts = active();
      const stream: NodeStream = {
        incoming: translated(session.incoming, wire.fromNodeSession),
        signal: session.signal,
        async send(message: NodeHears) {
          if (!session.send(wire.toNodeSession(parts.keeper.image, message))) await session.drained();
        },
        end: () => session.end(),
        cancel: (error) => session.cancel(error),
      };
      const incoming = stream.incoming[Symbol.asyncIterator]();
      const first = await incoming.next();
      if (first.done === true) return session.end();
      const { node, epoch, seen, clusterId = '' }: NodeSays = first.value;
      // First of all: what a node of another cluster has seen says nothing of this store.
      if (clusterId !== parts.clusterId) throw wrongCluster(node, clusterId, parts.clusterId);
      await parts.requireNotRestored(node, seen);
      await new NodeSession(ports, parts, stream, { node, epoch }).run(first.value, incoming);
    },

    async alterIsr(request) {
      const { sender, changes } = wire.fromAlterIsr(request);
      const outcomes = await active().isrChanges.alter(sender, changes);
      return { results: outcomes.map(wire.toIsrResult) };
    },

    async allocateProducerIds(request) {
      const first = await active().producerIds.take(nodeId(request.nodeId), nodeEpoch(request.nodeEpoch));
      return { first, count: producerBlockSize };
    },
  });
}

async function* translated<T, U>(messages: AsyncIterable<T>, translate: (message: T) => U): AsyncGenerator<U> {
  for await (const message of messages) yield translate(message);
}
