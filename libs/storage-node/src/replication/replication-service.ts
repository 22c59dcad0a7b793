import { faults, MoldauError, type NodeEpoch, type NodeId, nodeEpoch, nodeId } from '@moldau/kernel';
import { ReplicationService } from '@moldau/proto/moldau/internal/v1/replication_pb';
import { type ServedService, serve } from '@moldau/rpc';
import { type HashRangePorts, RangeHashes } from './hash-range.ts';
import { LeaderStream, type LeaderStreamPorts, silentAfterMs } from './leader-stream.ts';
import { requireReached } from './reached.ts';

/** What the service needs of its node. */
export interface ReplicationServicePorts extends LeaderStreamPorts, HashRangePorts {
  readonly me: NodeId;
  clusterId(): string;
  /** The newest start of a node that the coordinator has told of. */
  newestStartOf(node: NodeId): NodeEpoch | undefined;
  /** Throws NOT_SERVING. */
  requireServing(): void;
  /** Streams from followers: one more, or one fewer. */
  streamsChanged(by: 1 | -1): void;
}

const protocolVersion = 1;

/** Serves followers: one stream for each node that follows partitions of this one, and hashes of ranges to compare with. */
export function replicationService(ports: ReplicationServicePorts): ServedService {
  const newest = new Map<NodeId, Newest>();
  const hashes = new RangeHashes(ports);
  return serve(ReplicationService, {
    async replicate(session) {
      ports.requireServing();
      const frames = session.incoming[Symbol.asyncIterator]();
      const cancelPatience = ports.timers.after(silentAfterMs, () =>
        session.cancel(faults.notServing('this stream', 'silent for too long')),
      );
      const first = await frames.next().finally(cancelPatience);
      if (first.done === true) return session.end();
      const { greeting } = first.value;
      if (greeting === undefined) throw faults.invalidRequest('greeting', 'is missing in the first frame');
      if (greeting.version !== protocolVersion) {
        throw faults.invalidRequest('greeting.version', `is ${greeting.version}: this node knows ${protocolVersion}`);
      }
      requireReached(ports, greeting);
      if (greeting.nodeId === 0 || greeting.nodeId === ports.me) {
        throw faults.invalidRequest('greeting.node_id', `is ${greeting.nodeId}: no node follows itself`);
      }
      const from = { node: nodeId(greeting.nodeId), nodeEpoch: nodeEpoch(greeting.nodeEpoch) };
      // Nobody is remembered who does not exist, and no start that never was: the real one would be refused for ever.
      const registered = ports.newestStartOf(from.node);
      if (registered === undefined || from.nodeEpoch > registered) throw notHeardOf(from.node, from.nodeEpoch);
      const known = newest.get(from.node);
      if (known !== undefined && from.nodeEpoch < known.nodeEpoch) throw staleNode(from.node, from.nodeEpoch);
      // What was held up on its way must not end the sessions of a newer stream.
      if (known?.nodeEpoch === from.nodeEpoch && greeting.stream <= known.stream) throw olderStream(from.node);
      const stream = new LeaderStream(session, from, ports);
      newest.set(from.node, { nodeEpoch: from.nodeEpoch, stream: greeting.stream, end: () => session.cancel() });
      known?.end();
      ports.streamsChanged(1);
      await stream.run(first.value, frames).finally(() => ports.streamsChanged(-1));
    },
    async hashRange(request, { signal }) {
      ports.requireServing();
      return hashes.answer(request, signal);
    },
  });
}

/** The newest stream of one follower. */
interface Newest {
  readonly nodeEpoch: NodeEpoch;
  readonly stream: bigint;
  readonly end: () => void;
}

const notHeardOf = (node: NodeId, epoch: NodeEpoch): MoldauError =>
  new MoldauError('NOT_SERVING', `this node has not heard of start ${epoch} of node ${node}: retry`, { node });

const olderStream = (node: NodeId): MoldauError =>
  new MoldauError('NOT_SERVING', `node ${node} has opened a newer stream`, { node });

const staleNode = (node: NodeId, epoch: NodeEpoch): MoldauError =>
  new MoldauError('STALE_NODE', `a newer start of node ${node} has followed here`, { node, node_epoch: epoch });
