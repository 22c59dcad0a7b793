import type { Random } from '@moldau/kernel';
import { partitionOfKey } from '@moldau/records';

/** Chooses partitions as Kafka's default does: by murmur2 of the key, or sticky without one. */
export class Partitioner {
  readonly #random: Random;
  #sticky: number | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  choose(key: Uint8Array | null, partitions: number): number {
    if (key !== null) return partitionOfKey(key, partitions);
    this.#sticky ??= Math.floor(this.#random.next() * partitions);
    return this.#sticky % partitions;
  }

  /** A batch is full: records without a key go elsewhere from now on. */
  turn(partitions: number): void {
    this.#sticky = ((this.#sticky ?? 0) + 1) % partitions;
  }
}
