import { partitionCodec } from '@moldau/metadata';
import type { Commit } from '@moldau/testing';
import { Violation } from './violation.ts';

const electionKey = /^(\/moldau\/[^/]+\/)election\/coordinator$/;
const clusterKey = /^(\/moldau\/[^/]+\/)(.+)$/;

/** Looks at every transaction that the store carries out: who may write what, and on what knowledge. */
export class StoreOracle {
  readonly #leaderEpochs = new Map<string, number>();

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
    const isNew = !this.#leaderEpochs.has(key);
    if (!isCompared && !isNew) throw new Violation('I13', `${key} was written without a look at what it was`);
    const { leaderEpoch, leader, isr, elr, minIsr } = partitionCodec.decode(key, value);
    const before = this.#leaderEpochs.get(key) ?? 0;
    if (leaderEpoch < before) throw new Violation('I2', `${key} goes from leader epoch ${before} to ${leaderEpoch}`);
    this.#leaderEpochs.set(key, leaderEpoch);
    if (leader !== undefined && !isr.some(({ node }) => node === leader)) {
      throw new Violation('I12', `${key} is led by node ${leader}, which is not in sync`);
    }
    if (isr.some(({ node }) => elr.includes(node))) throw new Violation('I12', `${key} has a node in ISR and ELR`);
    if (isr.length >= minIsr && elr.length > 0) throw new Violation('I12', `${key} keeps an ELR with a full ISR`);
  }
}
