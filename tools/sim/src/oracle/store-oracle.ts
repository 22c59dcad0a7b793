import { nodeConditionCodec, type PartitionState, partitionCodec } from '@moldau/metadata';
import type { Commit } from '@moldau/testing';
import { Violation } from './violation.ts';

const electionKey = /^(\/moldau\/[^/]+\/)election\/coordinator$/;
const clusterKey = /^(\/moldau\/[^/]+\/)(.+)$/;
const nodeKey = /\/(nodes|node-state)\/(\d+)$/;
const partitionKey = /\/partitions\/([^/]+)\/(\d+)$/;

/** Looks at every transaction that the store carries out: who may write what, and on what knowledge. */
export class StoreOracle {
  readonly #states = new Map<string, PartitionState>();
  /** The epoch of each node's newest start. */
  readonly #epochs = new Map<number, bigint>();
  readonly #fenced = new Set<number>();
  /** Counts the states that were written. */
  changes = 0;

  /** What the store says of a partition: `<topic id>-<index>`. */
  state(partition: string): PartitionState | undefined {
    return this.#states.get(partition);
  }

  isFenced(node: number): boolean {
    return this.#fenced.has(node);
  }

  look({ compares, ops, revision }: Commit): void {
    for (const op of ops) {
      if (op.kind === 'get' || electionKey.test(op.key)) continue;
      const prefix = clusterKey.exec(op.key)?.[1];
      if (prefix === undefined) continue;
      const fence = compares.find(({ key }) => key === `${prefix}election/coordinator`);
      if (fence === undefined || !('createRevision' in fence) || fence.createRevision === 0n) {
        throw new Violation('I13', `${op.key} was written without the term of a coordinator`);
      }
      if (op.kind !== 'put') continue;
      if (op.key.startsWith(`${prefix}partitions/`)) this.#lookAtPartition(op.key, op.value, compares);
      this.#noteNode(op.key, op.value, revision);
    }
  }

  #noteNode(key: string, value: string, revision: bigint): void {
    const [, kind, id] = nodeKey.exec(key) ?? [];
    if (kind === 'nodes') this.#epochs.set(Number(id), revision);
    if (kind !== 'node-state') return;
    if (nodeConditionCodec.decode(key, value).fenced) this.#fenced.add(Number(id));
    else this.#fenced.delete(Number(id));
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
    this.changes += 1;
    if (leader !== undefined && !isr.some(({ node }) => node === leader)) {
      throw new Violation('I12', `${key} is led by node ${leader}, which is not in sync`);
    }
    if (isr.some(({ node }) => elr.includes(node))) throw new Violation('I12', `${key} has a node in ISR and ELR`);
    if (isr.length >= minIsr && elr.length > 0) throw new Violation('I12', `${key} keeps an ELR with a full ISR`);
    for (const { node, epoch } of isr) {
      if (before?.isr.some((one) => one.node === node && one.epoch === epoch)) continue;
      if (this.#epochs.get(node) === epoch && !this.#fenced.has(node)) continue;
      throw new Violation('I12', `${key} takes node ${node} in as the start ${epoch}, which is over, or fenced`);
    }
    if (before === undefined) return;
    if (leaderEpoch < before.leaderEpoch) {
      throw new Violation('I2', `${key} goes from leader epoch ${before.leaderEpoch} to ${leaderEpoch}`);
    }
    if (leaderEpoch === before.leaderEpoch || leader === undefined || lastUncleanEpoch === leaderEpoch) return;
    const wasEligible = before.isr.some(({ node }) => node === leader) || before.elr.includes(leader);
    if (!wasEligible) throw new Violation('I9', `${key} is led by node ${leader}, which was in neither ISR nor ELR`);
  }
}
