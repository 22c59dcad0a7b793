import type { NodeEpoch, NodeId, ProducerId, Random, Timers } from '@moldau/kernel';
import type { MetadataStore } from '@moldau/metadata';
import { noteCodec, producerBlock } from '@moldau/metadata';
import { afterConflict } from './conflicts.ts';
import type { ImageKeeper } from './image-keeper.ts';
import { staleNode } from './node-conditions.ts';
import { readKey } from './store-access.ts';
import type { StoreWriter } from './store-writer.ts';

/** Hands out blocks of producer ids. */
export class ProducerIds {
  readonly #ports: { store: MetadataStore; timers: Timers; random: Random };
  readonly #keeper: ImageKeeper;
  readonly #writer: StoreWriter;

  constructor(
    ports: { store: MetadataStore; timers: Timers; random: Random },
    keeper: ImageKeeper,
    writer: StoreWriter,
  ) {
    this.#ports = ports;
    this.#keeper = keeper;
    this.#writer = writer;
  }

  /** The first id of a block that nobody else has or will have. Rejects with STALE_NODE. */
  async take(node: NodeId, epoch: NodeEpoch): Promise<ProducerId> {
    const { keys } = this.#keeper.image;
    const key = keys.producerIds;
    for (let attempt = 1; ; attempt++) {
      if (this.#keeper.image.node(node)?.epoch !== epoch) throw staleNode(node, epoch);
      const before = (await readKey(this.#ports.store, key))?.modRevision ?? 0n;
      const result = await this.#writer.commit({
        compares: [
          { key, modRevision: before },
          { key: keys.node(node), modRevision: epoch },
        ],
        ops: (nonce) => [{ kind: 'put', key, value: noteCodec.encode(`node ${node}`, nonce) }],
      });
      if (result.kind === 'committed') return producerBlock(result.revision);
      await afterConflict(this.#ports, 'the producer ids', attempt);
    }
  }
}
