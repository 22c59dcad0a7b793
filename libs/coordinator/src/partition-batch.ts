import type { Compare, Keys, PartitionRef } from '@moldau/metadata';
import { maxTxnOps, type NodeImage, type PartitionState, partitionCodec, type StoreOp } from '@moldau/metadata';

/** Room for the term's compare and for the keys of a topic. */
const reserved = 6;
/** Partitions in one transaction: well under the store's limits. */
const partitionsInOneTxn = 100;

/**
 * Partition states that are written together. Every one is compared with the revision that it was decided on, and so are
 * both keys of every node that it relies on: a node that was fenced or has restarted meanwhile undoes the decision.
 */
export class PartitionBatch {
  readonly #keys: Keys;
  readonly #partitions = new Map<string, { state: PartitionState; revision: bigint }>();
  readonly #nodes = new Map<string, bigint>();

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  get size(): number {
    return this.#partitions.size;
  }

  /** False: it does not fit any more. `revision` 0: the partition is new. */
  add(ref: PartitionRef, state: PartitionState, revision: bigint, reliesOn: readonly NodeImage[]): boolean {
    const nodes = reliesOn.flatMap(({ id, epoch, conditionRevision }) => [
      [this.#keys.node(id), epoch] as const,
      [this.#keys.nodeState(id), conditionRevision] as const,
    ]);
    const added = nodes.filter(([key]) => !this.#nodes.has(key)).length;
    if (this.size >= partitionsInOneTxn || this.size + 1 + this.#nodes.size + added > maxTxnOps - reserved)
      return false;
    for (const [key, nodeRevision] of nodes) this.#nodes.set(key, nodeRevision);
    this.#partitions.set(this.#keys.partition(ref.topic, ref.index), { state, revision });
    return true;
  }

  compares(): Compare[] {
    return [
      ...[...this.#partitions].map(([key, { revision }]) => ({ key, modRevision: revision })),
      ...[...this.#nodes].map(([key, modRevision]) => ({ key, modRevision })),
    ];
  }

  ops(nonce: string): StoreOp[] {
    return [...this.#partitions].map(([key, { state }]) => {
      return { kind: 'put', key, value: partitionCodec.encode(state, nonce) };
    });
  }
}
