import { type Logger, MoldauError, type NodeEpoch, type NodeId, type Random, type Timers } from '@moldau/kernel';
import { type NodeCondition, type NodeImage, nodeConditionCodec } from '@moldau/metadata';
import { afterConflict } from './conflicts.ts';
import type { ImageKeeper } from './image-keeper.ts';
import type { StoreWriter } from './store-writer.ts';

/** The registration is older than a newer start of the same node. */
export const staleNode = (node: NodeId, epoch: NodeEpoch): MoldauError<'STALE_NODE'> =>
  new MoldauError(
    'STALE_NODE',
    `this start of node ${node} was replaced by a newer one: stop one of the two processes`,
    {
      node,
      node_epoch: epoch,
    },
  );

/** Changes whether a node may lead: the only writer of its condition. */
export class NodeConditions {
  readonly #ports: { timers: Timers; random: Random; logger: Logger };
  readonly #keeper: ImageKeeper;
  readonly #writer: StoreWriter;

  constructor(ports: { timers: Timers; random: Random; logger: Logger }, keeper: ImageKeeper, writer: StoreWriter) {
    this.#ports = ports;
    this.#keeper = keeper;
    this.#writer = writer;
  }

  /** Takes the node's right to lead. Without effect on one that is fenced, or unknown. */
  async fence(id: NodeId, why: string, clean = false): Promise<void> {
    const fenced = await this.#change(id, undefined, (now) =>
      now.fenced ? undefined : { ...now, fenced: true, clean },
    );
    if (fenced) this.#ports.logger.info('a node is fenced', { node: id, why });
  }

  /** Gives this start of the node the right to lead. Rejects with STALE_NODE when there is a newer one. */
  async unfence(id: NodeId, epoch: NodeEpoch): Promise<void> {
    const active = await this.#change(id, epoch, (now) =>
      now.fenced ? { ...now, fenced: false, clean: false } : undefined,
    );
    if (active) this.#ports.logger.info('a node is active', { node: id, nodeEpoch: epoch });
  }

  /** True when it wrote. */
  async #change(
    id: NodeId,
    epoch: NodeEpoch | undefined,
    next: (now: NodeCondition) => NodeCondition | undefined,
  ): Promise<boolean> {
    const { image } = this.#keeper;
    for (let attempt = 1; ; attempt++) {
      const node = image.node(id);
      if (epoch !== undefined && node?.epoch !== epoch) throw staleNode(id, epoch);
      const condition = node === undefined ? undefined : next(node.condition);
      if (node === undefined || condition === undefined) return false;
      const result = await this.#writer.commit({
        compares: conditionCompares(image.keys, node),
        ops: (nonce) => [
          { kind: 'put', key: image.keys.nodeState(id), value: nodeConditionCodec.encode(condition, nonce) },
        ],
      });
      if (result.kind === 'committed') {
        await this.#keeper.reached(result.revision);
        return true;
      }
      await afterConflict(this.#ports, `the state of node ${id}`, attempt);
    }
  }
}

/** Both keys of a node as the image shows them. */
const conditionCompares = (
  keys: { node(id: NodeId): string; nodeState(id: NodeId): string },
  { id, epoch, conditionRevision }: NodeImage,
): { key: string; modRevision: bigint }[] => [
  { key: keys.nodeState(id), modRevision: conditionRevision },
  { key: keys.node(id), modRevision: epoch },
];
