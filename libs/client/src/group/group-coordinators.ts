import { type Millis, MoldauError } from '@moldau/kernel';
import { NodeRole } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import { retrying } from '@moldau/routing';
import type { Channel } from '@moldau/rpc';
import type { ClientPorts } from '../client-ports.ts';

/** Finds who coordinates a group, and calls it. */
export class GroupCoordinators {
  readonly #ports: ClientPorts;
  /** Counts those that were asked: the next one may know more. */
  #asked = 0;

  constructor(ports: ClientPorts) {
    this.#ports = ports;
  }

  /** Where all of them are; behind a gateway it stands for all. Throws NOT_SERVING when there is none. */
  async addresses(timeoutMs: Millis): Promise<string[]> {
    const nodes = await this.#ports.metadata.nodes(timeoutMs);
    const coordinators = nodes.filter(({ role }) => role === NodeRole.GROUP_COORDINATOR);
    if (coordinators.length === 0) {
      throw new MoldauError('NOT_SERVING', 'this cluster has no group coordinator: start one, or retry');
    }
    return [...new Set(coordinators.map(({ address }) => address))];
  }

  /** The address of the one that has a group. Throws NOT_SERVING, NOT_COORDINATOR, UNREACHABLE: retry. */
  async find(group: string, timeoutMs: Millis): Promise<string> {
    const { metadata, connections } = this.#ports;
    const addresses = await this.addresses(timeoutMs);
    const asked = addresses[this.#asked % addresses.length] ?? '';
    try {
      const channel = connections.to(asked, 'control');
      const { nodeId } = await channel.unary(GroupService.method.findGroupCoordinator, { group }, { timeoutMs });
      const found = (await metadata.nodes(timeoutMs)).find(({ id }) => id === nodeId);
      if (found === undefined) throw new MoldauError('NOT_COORDINATOR', `node ${nodeId} is not known: retry`);
      return found.address;
    } catch (error) {
      this.#asked += 1;
      throw error;
    }
  }

  /** Calls the one that has a group, and again while that may help. Throws the last error. */
  call<T>(group: string, call: (channel: Channel, timeoutMs: Millis) => Promise<T>): Promise<T> {
    return retrying(this.#ports, this.#ports.timeoutMs, async (leftMs) => {
      const address = await this.find(group, leftMs);
      return call(this.#ports.connections.to(address, 'control'), leftMs);
    });
  }
}
