import {
  faults,
  type Logger,
  MoldauError,
  type NodeEpoch,
  type NodeId,
  nodeEpoch,
  nodeId,
  type Random,
  type Timers,
} from '@moldau/kernel';
import { type NodeImage, type NodeRegistration, nodeCodec, nodeConditionCodec } from '@moldau/metadata';
import { afterConflict } from './conflicts.ts';
import type { Elections } from './elections.ts';
import type { ImageKeeper } from './image-keeper.ts';
import type { NodeConditions } from './node-conditions.ts';
import type { StoreWriter } from './store-writer.ts';

export interface Registering {
  readonly clusterId: string;
  readonly node: NodeId;
  readonly registration: NodeRegistration;
}

/** Registers one start of a node, and gives it its epoch. */
export class Registrar {
  readonly #ports: { timers: Timers; random: Random; logger: Logger };
  readonly #clusterId: string;
  readonly #parts: { keeper: ImageKeeper; writer: StoreWriter; conditions: NodeConditions; elections: Elections };

  constructor(
    ports: { timers: Timers; random: Random; logger: Logger },
    clusterId: string,
    parts: { keeper: ImageKeeper; writer: StoreWriter; conditions: NodeConditions; elections: Elections },
  ) {
    this.#ports = ports;
    this.#clusterId = clusterId;
    this.#parts = parts;
  }

  /**
   * The old start is fenced, and has lost what it led, before the new epoch exists. Asking again with the same incarnation
   * gives the same epoch. Rejects with WRONG_CLUSTER, CONFLICT.
   */
  async register(asked: Registering): Promise<NodeEpoch> {
    const { keeper, conditions, elections } = this.#parts;
    this.#check(asked);
    for (let attempt = 1; ; attempt++) {
      const before = keeper.image.node(asked.node);
      if (before?.registration.incarnation === asked.registration.incarnation) return before.epoch;
      if (before !== undefined && !before.condition.fenced) {
        await conditions.fence(asked.node, 'it registers a new start');
        await elections.settled();
        continue;
      }
      const epoch = await this.#write(asked, before);
      if (epoch !== undefined) return epoch;
      await afterConflict(this.#ports, `the registration of node ${asked.node}`, attempt);
    }
  }

  async #write({ node, registration }: Registering, before: NodeImage | undefined): Promise<NodeEpoch | undefined> {
    const { keeper, writer } = this.#parts;
    const { keys } = keeper.image;
    const condition = before?.condition ?? { fenced: true, clean: false, draining: false };
    const result = await writer.commit({
      compares: [
        { key: keys.node(node), modRevision: before?.epoch ?? 0n },
        { key: keys.nodeState(node), modRevision: before?.conditionRevision ?? 0n },
      ],
      ops: (nonce) => [
        { kind: 'put', key: keys.node(node), value: nodeCodec.encode(registration, nonce) },
        { kind: 'put', key: keys.nodeState(node), value: nodeConditionCodec.encode(condition, nonce) },
      ],
    });
    if (result.kind === 'conflict') return undefined;
    await keeper.reached(result.revision);
    this.#ports.logger.info('a node registered', { node, nodeEpoch: result.revision, address: registration.address });
    return nodeEpoch(result.revision);
  }

  #check({ clusterId, node, registration }: Registering): void {
    if (!Number.isInteger(node) || node < 1) throw faults.invalidRequest('node_id', `is ${node}: 1 or more`);
    if (registration.incarnation === '') throw faults.invalidRequest('incarnation', 'is empty');
    if (registration.address === '') throw faults.invalidRequest('address', 'is empty: host:port');
    if (clusterId !== '' && clusterId !== this.#clusterId) {
      throw wrongCluster(node, clusterId, this.#clusterId);
    }
    const { image } = this.#parts.keeper;
    if (clusterId === '' && image.replicasOn(nodeId(node)).size > 0) {
      throw new MoldauError(
        'WRONG_CLUSTER',
        `node ${node} keeps partitions of cluster ${this.#clusterId}, and its data directory is new: mount the right one, or give the new one a node id of its own`,
        { cluster: clusterId, expected_cluster: this.#clusterId },
      );
    }
  }
}

export const wrongCluster = (node: NodeId, cluster: string, expected: string): MoldauError =>
  new MoldauError(
    'WRONG_CLUSTER',
    `node ${node} has data of cluster ${cluster === '' ? '(none said)' : cluster}, and this is ${expected}: check its coordinator's address`,
    { cluster, expected_cluster: expected },
  );
