import { type GroupId, shardOf } from '@moldau/groups';
import { faults } from '@moldau/kernel';
import { groupsTopic } from '@moldau/metadata';
import { type Node, NodeRole, NodeState } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import type { ClusterView } from '@moldau/routing';

/** The node that coordinates a group: of two that claim its shard, as a view may say while it moves, the newer owner. Throws NOT_SERVING. */
export function coordinatorOf(view: ClusterView, group: GroupId): Node {
  const wanted = shardOf(group, groupsTopic.partitions);
  let newest: { readonly node: Node; readonly epoch: bigint } | undefined;
  for (const node of view.nodes()) {
    const shard = node.groupShards.find(({ index }) => index === wanted);
    if (shard !== undefined && (newest === undefined || shard.epoch > newest.epoch))
      newest = { node, epoch: shard.epoch };
  }
  if (newest === undefined) throw faults.notServing(`the coordinator of group ${JSON.stringify(group)}`, 'away');
  return newest.node;
}

/** All that coordinate some groups. Throws NOT_SERVING when there are none. */
export function groupCoordinators(view: ClusterView): Node[] {
  const found = view
    .nodes()
    .filter(({ role, state }) => role === NodeRole.GROUP_COORDINATOR && state === NodeState.ACTIVE);
  if (found.length === 0) throw faults.notServing('every group coordinator', 'away');
  return found;
}
