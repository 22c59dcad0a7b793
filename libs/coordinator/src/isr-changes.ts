import {
  hasReason,
  type Logger,
  type NodeId,
  partitionKey,
  type Random,
  type Revision,
  type Timers,
} from '@moldau/kernel';
import { decideIsr, type IsrChange, type IsrMember, type PartitionRef, type PartitionState } from '@moldau/metadata';
import { afterConflict } from './conflicts.ts';
import type { ReplicaReports } from './elections.ts';
import type { ImageKeeper } from './image-keeper.ts';
import { staleNode } from './node-conditions.ts';
import { PartitionBatch } from './partition-batch.ts';
import type { StoreWriter } from './store-writer.ts';

/** An ISR that a leader asks for. */
export interface AskedIsr {
  readonly partition: PartitionRef;
  readonly change: IsrChange;
}

/** What became of it. `unknown`: the store did not say, and it may still be carried out. */
export type IsrOutcome =
  | { readonly kind: 'committed'; readonly partitionEpoch: Revision }
  | { readonly kind: 'ineligible' | 'stale' | 'fenced' | 'unknown' };

type Planned = { readonly asked: AskedIsr; readonly next: PartitionState };

/**
 * Changes ISRs as leaders ask for it. Each change is decided for itself on the newest image, and those that may be are
 * written together: on the state that the leader knew, and with every node in the new ISR as it was when it was judged.
 */
export class IsrChanges {
  readonly #ports: { timers: Timers; random: Random; logger: Logger };
  readonly #keeper: ImageKeeper;
  readonly #writer: StoreWriter;
  readonly #reports: ReplicaReports;

  constructor(
    ports: { timers: Timers; random: Random; logger: Logger },
    keeper: ImageKeeper,
    writer: StoreWriter,
    reports: ReplicaReports,
  ) {
    this.#ports = ports;
    this.#keeper = keeper;
    this.#writer = writer;
    this.#reports = reports;
  }

  /** One outcome for each change, in their order; no partition is named twice. Rejects with STALE_NODE, NOT_SERVING. */
  async alter(sender: IsrMember, all: readonly AskedIsr[]): Promise<IsrOutcome[]> {
    const outcomes = new Map<AskedIsr, IsrOutcome>();
    for (let attempt = 1; outcomes.size < all.length; ) {
      if (this.#keeper.image.node(sender.node)?.epoch !== sender.epoch) throw staleNode(sender.node, sender.epoch);
      const open = all.filter((asked) => !outcomes.has(asked));
      const { batch, planned } = this.#plan(open, outcomes);
      if (planned.length === 0) continue;
      const outcome = await this.#write(batch, attempt);
      if (outcome !== undefined) for (const { asked } of planned) outcomes.set(asked, outcome);
      attempt = outcome === undefined ? attempt + 1 : 1;
    }
    return all.map((asked) => outcomes.get(asked) ?? { kind: 'unknown' });
  }

  /** Settles what needs no write, and collects of the rest what fits into one transaction. */
  #plan(open: readonly AskedIsr[], outcomes: Map<AskedIsr, IsrOutcome>): { batch: PartitionBatch; planned: Planned[] } {
    const { image } = this.#keeper;
    const batch = new PartitionBatch(image.keys);
    const planned: Planned[] = [];
    for (const asked of open) {
      const next = this.#decide(asked);
      if (!('isr' in next)) {
        outcomes.set(asked, next);
        continue;
      }
      const relied = next.isr.flatMap(({ node }) => image.node(node) ?? []);
      if (!batch.add(asked.partition, next, asked.change.partitionEpoch, relied)) break;
      planned.push({ asked, next });
      this.#settle(asked, next);
    }
    return { batch, planned };
  }

  #decide({ partition, change }: AskedIsr): PartitionState | IsrOutcome {
    const { image } = this.#keeper;
    const now = image.partition(partition);
    // It was deleted, which its leader is about to hear.
    if (now === undefined) return { kind: 'stale' };
    const view = { revision: now.revision, epochOf: (node: NodeId) => image.activeEpochOf(node) };
    const verdict = decideIsr(now.state, change, view);
    return verdict.kind === 'committed' ? verdict.next : verdict;
  }

  /** The leader vouches for whoever joins, whatever its start had found: before an election can look at it in the ISR. */
  #settle({ partition }: AskedIsr, next: PartitionState): void {
    const before = this.#keeper.image.partition(partition)?.state.isr ?? [];
    for (const { node, epoch } of next.isr) {
      if (before.some((one) => one.node === node && one.epoch === epoch)) continue;
      this.#reports.settle(node, partitionKey(partition.topic, partition.index));
    }
  }

  /** `undefined`: something has changed meanwhile, so the same changes are to be judged again. */
  async #write(batch: PartitionBatch, attempt: number): Promise<IsrOutcome | undefined> {
    try {
      const result = await this.#writer.commit({ compares: batch.compares(), ops: (nonce) => batch.ops(nonce) });
      if (result.kind === 'committed') {
        await this.#keeper.reached(result.revision);
        return { kind: 'committed', partitionEpoch: result.revision };
      }
      await afterConflict(this.#ports, 'in-sync replicas', attempt);
      return undefined;
    } catch (error) {
      if (!hasReason(error, 'STORE_UNAVAILABLE') && !hasReason(error, 'CONFLICT')) throw error;
      this.#ports.logger.warn('a change of in-sync replicas was not decided', { partitions: batch.size, error });
      return { kind: 'unknown' };
    }
  }
}
