import type { PartitionState } from '@moldau/metadata';
import type { Partition } from '@moldau/storage-node';
import type { PartitionTruth } from './partition-truth.ts';
import { Violation } from './violation.ts';

type Epochs = readonly { readonly epoch: number; readonly start: bigint }[];

/** One copy, as it was seen last; its process may be gone. */
interface Copy {
  readonly logStart: bigint;
  readonly durableEnd: bigint;
  readonly highWatermark: bigint;
  readonly epochs: Epochs;
  readonly isWhole: boolean;
}

/** The newest epochs of a copy that are compared. */
const epochsMax = 1_000;

/** What is known of all copies of one partition, and what must hold between them. */
export class Copies {
  readonly #byNode = new Map<number, Copy>();
  /** The newest epoch that each node has followed somebody under: no start of it forgets that. */
  readonly #followed = new Map<number, number>();
  #isDirty = false;

  look(node: number, partition: Partition, state: PartitionState | undefined): void {
    if (state !== undefined) requireCountsAll(partition, state);
    this.#requireEpochKept(node, partition);
    const { log, copy } = partition;
    const before = this.#byNode.get(node);
    const { logStart, durableEnd, highWatermark } = log;
    const epochs = log.epochTail(epochsMax);
    const isWhole = copy === 'whole';
    const isSame =
      before?.logStart === logStart &&
      before.durableEnd === durableEnd &&
      before.highWatermark === highWatermark &&
      before.epochs.length === epochs.length &&
      before.isWhole === isWhole;
    if (isSame) return;
    this.#byNode.set(node, { logStart, durableEnd, highWatermark, epochs, isWhole });
    this.#isDirty = true;
  }

  /** At the end of an event, when every node was looked at. */
  settle(truth: PartitionTruth, state: PartitionState | undefined): void {
    if (state !== undefined) this.#requireEligibleHaveAll(truth, state);
    if (!this.#isDirty) return;
    this.#isDirty = false;
    const nodes = [...this.#byNode];
    for (const [i, [node, copy]] of nodes.entries()) {
      for (const [other, otherCopy] of nodes.slice(i + 1)) {
        if (copy.isWhole && otherCopy.isWhole) requireSame(truth.name, [node, copy], [other, otherCopy]);
      }
    }
  }

  #requireEpochKept(node: number, { name, log, following }: Partition): void {
    const before = this.#followed.get(node) ?? 0;
    const epoch = following?.leader?.epoch ?? 0;
    if (epoch > before) this.#followed.set(node, epoch);
    const newest = Math.max(before, epoch);
    if (log.storedEpoch >= newest) return;
    throw new Violation(
      'I2',
      `node ${node} has followed under epoch ${newest} of ${name}, and kept ${log.storedEpoch}`,
    );
  }

  /** Whoever may be elected has everything that is committed, whether it runs or not. */
  #requireEligibleHaveAll({ name, highWatermark }: PartitionTruth, { isr, elr }: PartitionState): void {
    for (const node of [...isr.map((member) => member.node), ...elr]) {
      const copy = this.#byNode.get(node);
      if (copy === undefined || !copy.isWhole || copy.durableEnd >= highWatermark) continue;
      throw new Violation(
        'I8',
        `node ${node} may be elected for ${name}, ends at ${copy.durableEnd}, and ${highWatermark} is committed`,
      );
    }
  }
}

/** Whoever the store has in sync is waited for by the leader of that epoch, while it may commit anything. */
function requireCountsAll({ name, leading }: Partition, { leaderEpoch, isr, minIsr }: PartitionState): void {
  if (leading?.epoch !== leaderEpoch || isr.length < minIsr) return;
  const missing = isr.find(({ node }) => !leading.maximalIsr.has(node));
  if (missing === undefined) return;
  throw new Violation('I7', `node ${missing.node} is in sync for ${name}, and its leader does not wait for it`);
}

/** Below both high watermarks the same epochs wrote the same offsets. */
function requireSame(name: string, [node, a]: [number, Copy], [other, b]: [number, Copy]): void {
  const end = a.highWatermark < b.highWatermark ? a.highWatermark : b.highWatermark;
  const start = a.logStart > b.logStart ? a.logStart : b.logStart;
  for (const at of [start, ...a.epochs.map((entry) => entry.start), ...b.epochs.map((entry) => entry.start)]) {
    if (at < start || at >= end) continue;
    const [one, two] = [epochAt(a.epochs, at), epochAt(b.epochs, at)];
    if (one === two) continue;
    throw new Violation('I10', `${name}@${at} is of epoch ${one} on node ${node}, and of ${two} on node ${other}`);
  }
}

const epochAt = (epochs: Epochs, at: bigint): number | undefined => epochs.findLast(({ start }) => start <= at)?.epoch;
