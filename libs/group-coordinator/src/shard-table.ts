import type { NodeEpoch, NodeId } from '@moldau/kernel';
import { type ClusterView, newestClaim, type ShardClaim } from '@moldau/routing';

/** Who owns which shard, as far as this process knows. */
export interface ShardTable {
  /** `undefined`: nobody, or nobody is known. */
  owner(shard: number): ShardClaim | undefined;
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

  owner(shard: number): ShardClaim | undefined {
    const start = this.#start();
    return newestClaim(this.#view.nodes(), shard, ({ node, epoch }) => {
      const isOfEarlierStart = node === this.#self && (start === undefined || epoch < start);
      return !isOfEarlierStart;
    });
  }

  onChange(listener: () => void): () => void {
    return this.#view.onChange(listener);
  }
}
