import { NodeRole } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import { ControllerService } from '@moldau/proto/moldau/internal/v1/controller_pb';
import type { Channel } from '@moldau/rpc';

/**
 * Registers a group coordinator, for whose sake a cluster makes the internal topic of the groups; nothing listens there.
 * `controller`: to the active coordinator.
 */
export async function askForGroups(controller: Channel): Promise<void> {
  const nodeId = 20;
  const who = { version: 1, nodeId, incarnation: 'i', address: 'groups-20', role: NodeRole.GROUP_COORDINATOR };
  const { nodeEpoch, clusterId } = await controller.unary(ControllerService.method.registerNode, who);
  const session = controller.session(ControllerService.method.nodeSession);
  session.send({ nodeId, nodeEpoch, clusterId });
  session.send({ nodeId, nodeEpoch, ready: true });
}
