import type { NodeEpoch, NodeId, ProducerId, Random, Timers } from '@moldau/kernel';
import { noteCodec, producerBlock } from '@moldau/metadata';
import { afterConflict } from './conflicts.ts';
import type { ImageKeeper } from './image-keeper.ts';
import { staleNode } from './node-conditions.ts';
import type { StoreWriter } from './store-writer.ts';

/** Hands out blocks of producer ids. */
export class ProducerIds {
  readonly #ports: { timers: Timers; random: Random };
  readonly #keeper: ImageKeeper;
  readonly #writer: StoreWriter;
  /** All nodes write one key: they take turns instead of conflicting. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(ports: { timers: Timers; random: Random }, keeper: ImageKeeper, writer: StoreWriter) {
    this.#ports = ports;
    this.#keeper = keeper;
    this.#writer = writer;
  }

  /** The first id of a block that nobody else has or will have. Rejects with STALE_NODE. */
  take(node: NodeId, epoch: NodeEpoch): Promise<ProducerId> {
    const taken = this.#turn.then(() => this.#take(node, epoch));
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  async #take(node: NodeId, epoch: NodeEpoch): Promise<ProducerId> {
    const { image } = this.#keeper;
    const { keys } = image;
    const key = keys.producerIds;
    for (let attempt = 1; ; attempt++) {
      if (image.node(node)?.epoch !== epoch) throw staleNode(node, epoch);
      const result = await this.#writer.commit({
        compares: [
          { key, modRevision: image.producerIdsRevision },
          { key: keys.node(node), modRevision: epoch },
        ],
        ops: (nonce) => [{ kind: 'put', key, value: noteCodec.encode(`node ${node}`, nonce) }],
      });
      if (result.kind === 'committed') {
        await this.#keeper.reached(result.revision);
        return producerBlock(result.revision);
      }
      await afterConflict(this.#ports, 'the producer ids', attempt);
    }
  }
}
