import { type NodeId, nodeId } from '@moldau/kernel';
import type { Node } from '@moldau/proto/moldau/cluster/v1/metadata_pb';

/** That a node has a shard of the groups, as the metadata of the cluster say. */
export interface ShardClaim {
  readonly node: NodeId;
  /** Grows with every owner: the fencing token. */
  readonly epoch: bigint;
}

/**
 * Who has a shard of the groups: of two nodes that claim it, as a view may say while it moves, the newer owner. `counts`: whether a
 * claim does. `undefined`: nobody has it, or nobody is known.
 */
export function newestClaim(
  nodes: Iterable<Node>,
  shard: number,
  counts: (claim: ShardClaim) => boolean = () => true,
): ShardClaim | undefined {
  let newest: ShardClaim | undefined;
  for (const { id, groupShards } of nodes) {
    const claimed = groupShards.find(({ index }) => index === shard);
    if (claimed === undefined) continue;
    const claim = { node: nodeId(id), epoch: claimed.epoch };
    if (counts(claim) && (newest === undefined || claim.epoch > newest.epoch)) newest = claim;
  }
  return newest;
}
