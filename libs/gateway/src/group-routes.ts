import { type GroupId, shardOf } from '@moldau/groups';
import { faults } from '@moldau/kernel';
import { groupsTopic } from '@moldau/metadata';
import { type Node, NodeRole, NodeState } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import { type ClusterView, newestClaim } from '@moldau/routing';

/** The node that coordinates a group. Throws NOT_SERVING. */
export function coordinatorOf(view: ClusterView, group: GroupId): Node {
  const claim = newestClaim(view.nodes(), shardOf(group, groupsTopic.partitions));
  const owner = claim && view.node(claim.node);
  if (owner === undefined) throw faults.notServing(`the coordinator of group ${JSON.stringify(group)}`, 'away');
  return owner;
}

/** All that coordinate some groups. Throws NOT_SERVING when there are none. */
export function groupCoordinators(view: ClusterView): Node[] {
  const found = view
    .nodes()
    .filter(({ role, state }) => role === NodeRole.GROUP_COORDINATOR && state === NodeState.ACTIVE);
  if (found.length === 0) throw faults.notServing('every group coordinator', 'away');
  return found;
}
