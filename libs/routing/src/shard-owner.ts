import type { Node } from '@moldau/proto/moldau/cluster/v1/metadata_pb';

/** Who has a shard of the groups, under which epoch. */
export interface ShardOwner {
  readonly node: Node;
  /** Grows with every owner: the fencing token. */
  readonly epoch: bigint;
}

/**
 * Who has a shard of the groups: of two nodes that claim it, as a view may say while it moves, the newer owner. `counts`: whether a
 * claim does. `undefined`: nobody has it, or nobody is known.
 */
export function shardOwner(
  nodes: Iterable<Node>,
  shard: number,
  counts: (owner: ShardOwner) => boolean = () => true,
): ShardOwner | undefined {
  let newest: ShardOwner | undefined;
  for (const node of nodes) {
    const claimed = node.groupShards.find(({ index }) => index === shard);
    if (claimed === undefined) continue;
    const owner = { node, epoch: claimed.epoch };
    if (counts(owner) && (newest === undefined || owner.epoch > newest.epoch)) newest = owner;
  }
  return newest;
}
