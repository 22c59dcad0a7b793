import { type PartitionState, partitionCodec } from '@moldau/metadata';
import type { Commit } from '@moldau/testing';
import { Violation } from './violation.ts';

const electionKey = /^(\/moldau\/[^/]+\/)election\/coordinator$/;
const clusterKey = /^(\/moldau\/[^/]+\/)(.+)$/;
const partitionKey = /\/partitions\/([^/]+)\/(\d+)$/;

/** Looks at every transaction that the store carries out: who may write what, and on what knowledge. */
export class StoreOracle {
  readonly #states = new Map<string, PartitionState>();

  /** What the store says of a partition: `<topic id>-<index>`. */
  state(partition: string): PartitionState | undefined {
    return this.#states.get(partition);
  }

  look({ compares, ops }: Commit): void {
    for (const op of ops) {
      if (op.kind === 'get' || electionKey.test(op.key)) continue;
      const prefix = clusterKey.exec(op.key)?.[1];
      if (prefix === undefined) continue;
      const fence = compares.find(({ key }) => key === `${prefix}election/coordinator`);
      if (fence === undefined || !('createRevision' in fence) || fence.createRevision === 0n) {
        throw new Violation('I13', `${op.key} was written without the term of a coordinator`);
      }
      if (op.kind === 'put' && op.key.startsWith(`${prefix}partitions/`))
        this.#lookAtPartition(op.key, op.value, compares);
    }
  }

  #lookAtPartition(key: string, value: string, compares: Commit['compares']): void {
    const isCompared = compares.some((compare) => compare.key === key && 'modRevision' in compare);
    const [, topic, index] = partitionKey.exec(key) ?? [];
    const name = `${topic}-${index}`;
    const before = this.#states.get(name);
    if (!isCompared && before !== undefined)
      throw new Violation('I13', `${key} was written without a look at what it was`);
    const state = partitionCodec.decode(key, value);
    const { leaderEpoch, leader, isr, elr, minIsr, lastUncleanEpoch } = state;
    this.#states.set(name, state);
    if (leader !== undefined && !isr.some(({ node }) => node === leader)) {
      throw new Violation('I12', `${key} is led by node ${leader}, which is not in sync`);
    }
    if (isr.some(({ node }) => elr.includes(node))) throw new Violation('I12', `${key} has a node in ISR and ELR`);
    if (isr.length >= minIsr && elr.length > 0) throw new Violation('I12', `${key} keeps an ELR with a full ISR`);
    if (before === undefined) return;
    if (leaderEpoch < before.leaderEpoch) {
      throw new Violation('I2', `${key} goes from leader epoch ${before.leaderEpoch} to ${leaderEpoch}`);
    }
    if (leaderEpoch === before.leaderEpoch || leader === undefined || lastUncleanEpoch === leaderEpoch) return;
    const wasEligible = before.isr.some(({ node }) => node === leader) || before.elr.includes(leader);
    if (!wasEligible) throw new Violation('I9', `${key} is led by node ${leader}, which was in neither ISR nor ELR`);
  }
}
