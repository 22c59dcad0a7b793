import { type NodeEpoch, type NodeId, nodeId } from '@moldau/kernel';
import { type ClusterView, shardOwner } from '@moldau/routing';

/** Who owns a shard. */
export interface ShardEntry {
  readonly node: NodeId;
  /** Grows with every owner: the fencing token. */
  readonly epoch: bigint;
}

/** Who owns which shard, as far as this process knows. */
export interface ShardTable {
  /** `undefined`: nobody, or nobody is known. */
  owner(shard: number): ShardEntry | undefined;
  /** Calls after every change, until the returned function is called. */
  onChange(listener: () => void): () => void;
}

/** The table that the cluster's metadata carry. */
export class ViewShardTable implements ShardTable {
  readonly #view: ClusterView;
  readonly #self: NodeId;
  readonly #start: () => NodeEpoch | undefined;

  /**
   * `start`: the registration of this process; undefined: it is not registered. What its node was given before that was given to
   * an earlier process, and is not its own: under that epoch others may have written behind the fence.
   */
  constructor(view: ClusterView, self: NodeId, start: () => NodeEpoch | undefined) {
    this.#view = view;
    this.#self = self;
    this.#start = start;
  }

  owner(shard: number): ShardEntry | undefined {
    const start = this.#start();
    const found = shardOwner(this.#view.nodes(), shard, ({ node, epoch }) => {
      const isOfEarlierStart = node.id === this.#self && (start === undefined || epoch < start);
      return !isOfEarlierStart;
    });
    return found && { node: nodeId(found.node.id), epoch: found.epoch };
  }

  onChange(listener: () => void): () => void {
    return this.#view.onChange(listener);
  }
}
