import { faults } from '@moldau/kernel';

/** Producer ids that nobody else has: `first`, and `count` in all. */
export interface ProducerIdBlock {
  readonly first: bigint;
  readonly count: number;
}

const maxEpoch = 32_767;

/** Hands out producer ids from blocks that the coordinator gave to this node. */
export class ProducerIds {
  readonly #takeBlock: () => Promise<ProducerIdBlock>;
  #next = 0n;
  #left = 0;
  #taking: Promise<void> | undefined;

  constructor(takeBlock: () => Promise<ProducerIdBlock>) {
    this.#takeBlock = takeBlock;
  }

  /** A new id with epoch 0, or a known one with its next epoch; a new one when the epochs of that are used up. */
  async init(known: bigint | undefined, epoch: number): Promise<{ producerId: bigint; producerEpoch: number }> {
    if (known !== undefined && known < 0n) throw faults.invalidRequest('producer_id', `is ${known}: ids begin with 0`);
    if (known !== undefined && epoch < maxEpoch) return { producerId: known, producerEpoch: epoch + 1 };
    while (this.#left === 0) {
      this.#taking ??= this.#take();
      await this.#taking;
    }
    const producerId = this.#next;
    this.#next += 1n;
    this.#left -= 1;
    return { producerId, producerEpoch: 0 };
  }

  async #take(): Promise<void> {
    try {
      const { first, count } = await this.#takeBlock();
      this.#next = first;
      this.#left = count;
    } finally {
      this.#taking = undefined;
    }
  }
}
