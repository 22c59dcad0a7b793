import { faults, MoldauError, type NodeEpoch, type NodeId, nodeEpoch, nodeId } from '@moldau/kernel';
import { ReplicationService } from '@moldau/proto/moldau/internal/v1/replication_pb';
import { type ServedService, serve } from '@moldau/rpc';
import { type HashRangePorts, RangeHashes } from './hash-range.ts';
import { LeaderStream, type LeaderStreamPorts, silentAfterMs } from './leader-stream.ts';
import { followersMax } from './peer-limits.ts';
import { requireReached } from './reached.ts';

/** What the service needs of its node. */
export interface ReplicationServicePorts extends LeaderStreamPorts, HashRangePorts {
  readonly me: NodeId;
  clusterId(): string;
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
      const known = newest.get(from.node);
      if (known !== undefined && from.nodeEpoch < known.nodeEpoch) throw staleNode(from.node, from.nodeEpoch);
      // What was held up on its way must not end the sessions of a newer stream.
      if (known?.nodeEpoch === from.nodeEpoch && greeting.stream <= known.stream) throw olderStream(from.node);
      if (known === undefined && newest.size >= followersMax) throw tooMany(newest.size);
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

const tooMany = (count: number): MoldauError =>
  new MoldauError('NOT_SERVING', `${count} nodes have followed here: no cluster has so many`, { state: 'full' });

const olderStream = (node: NodeId): MoldauError =>
  new MoldauError('NOT_SERVING', `node ${node} has opened a newer stream`, { node });

const staleNode = (node: NodeId, epoch: NodeEpoch): MoldauError =>
  new MoldauError('STALE_NODE', `a newer start of node ${node} has followed here`, { node, node_epoch: epoch });
