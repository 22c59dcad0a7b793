import { faults, type Millis, MoldauError } from '@moldau/kernel';
import { type Node, NodeRole, NodeState } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import { retrying } from '@moldau/routing';
import type { Channel } from '@moldau/rpc';
import type { ClientPorts } from '../client-ports.ts';

/** One that is asked, and does not answer, shall leave time for the next one. */
const askMs: Millis = 2_000;

/** Finds who coordinates groups. Nothing is remembered: shards move, and calls about groups are rare. */
export class GroupCoordinators {
  readonly #ports: ClientPorts;
  /** Counts the questions: each goes to the next process. */
  #asked = 0;

  constructor(ports: ClientPorts) {
    this.#ports = ports;
  }

  /** Where all group coordinators can be reached; behind a gateway that is one address. Throws NOT_SERVING when there is none. */
  async addresses(timeoutMs: Millis): Promise<string[]> {
    const active = (await this.#nodes(timeoutMs)).filter(({ state }) => state === NodeState.ACTIVE);
    if (active.length === 0)
      throw new MoldauError('NOT_SERVING', 'this cluster has no group coordinator now: start one, or retry');
    return [...new Set(active.map(({ address }) => address))];
  }

  /** Where the group is coordinated now: one attempt. Throws NOT_SERVING while nobody does. */
  async find(group: string, timeoutMs: Millis): Promise<string> {
    const addresses = await this.addresses(timeoutMs);
    const asked = addresses[this.#asked % addresses.length] ?? '';
    this.#asked += 1;
    const limit = { timeoutMs: addresses.length > 1 ? Math.min(askMs, timeoutMs) : timeoutMs };
    const channel = this.#ports.connections.to(asked, 'control');
    const { nodeId } = await channel.unary(GroupService.method.findGroupCoordinator, { group }, limit);
    return this.addressOf(nodeId, timeoutMs);
  }

  /** Where a group coordinator can be reached. Throws NOT_SERVING while the cluster does not say. */
  async addressOf(nodeId: number, timeoutMs: Millis): Promise<string> {
    const node = (await this.#nodes(timeoutMs)).find(({ id }) => id === nodeId);
    if (node === undefined) throw faults.notServing(`group coordinator ${nodeId}`, 'away');
    return node.address;
  }

  /** Calls whoever coordinates the group, and again while that may help (`mayRepeat`: or who knows better), within the client's timeout. */
  call<T>(
    group: string,
    call: (channel: Channel, timeoutMs: Millis) => Promise<T>,
    mayRepeat?: (error: MoldauError) => boolean,
  ): Promise<T> {
    const { timeoutMs: withinMs } = this.#ports;
    return retrying(
      this.#ports,
      withinMs,
      async (timeoutMs) => call(this.#ports.connections.to(await this.find(group, timeoutMs), 'control'), timeoutMs),
      mayRepeat,
    );
  }

  async #nodes(timeoutMs: Millis): Promise<Node[]> {
    const nodes = await this.#ports.metadata.nodes(timeoutMs);
    return nodes.filter(({ role }) => role === NodeRole.GROUP_COORDINATOR);
  }
}
