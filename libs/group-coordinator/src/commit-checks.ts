import type { NewOffset } from '@moldau/groups';
import { faults, type MoldauError, offset, type PartitionKey } from '@moldau/kernel';
import type { GroupMetrics } from './group-metrics.ts';
import { earliest, type LogEnds, latest } from './log-ends.ts';

/** Positions that may be committed, and why the others may not. */
export interface Checked {
  readonly good: readonly NewOffset[];
  readonly failures: readonly { readonly partition: PartitionKey; readonly error: MoldauError }[];
}

/** Ends that are remembered. Beyond it they are asked for again. */
const rememberedMax = 100_000;

/**
 * Nothing is committed beyond the end of its partition. Ends only grow, so a leader is asked only about what lies beyond the last
 * answer; where none can be, the position is taken as it is.
 */
export class CommitChecks {
  readonly #ends: LogEnds;
  readonly #metrics: GroupMetrics;
  readonly #known = new Map<PartitionKey, bigint>();

  constructor(ends: LogEnds, metrics: GroupMetrics) {
    this.#ends = ends;
    this.#metrics = metrics;
  }

  async check(offsets: readonly NewOffset[]): Promise<Checked> {
    const isBeyond = (one: NewOffset): boolean => one.offset > (this.#known.get(one.partition) ?? 0n);
    const doubtful = offsets.filter(isBeyond);
    if (doubtful.length === 0) return { good: offsets, failures: [] };
    const found = await this.#ends.find(doubtful.map(({ partition }) => ({ partition, place: latest })));
    const asked = new Map<PartitionKey, bigint>();
    for (const [i, { partition }] of doubtful.entries()) {
      const one = found[i];
      if (one === undefined || 'error' in one || one.offset === undefined) continue;
      asked.set(partition, one.offset);
      this.#remember(partition, one.offset);
    }
    const isGood = (one: NewOffset): boolean => one.offset <= (asked.get(one.partition) ?? one.offset);
    const bad = offsets.filter((one) => !isGood(one));
    const starts = await this.#ends.find(bad.map(({ partition }) => ({ partition, place: earliest })));
    const failures = bad.map(({ partition, offset: at }, i) => {
      const found = starts[i];
      const start = found === undefined || 'error' in found ? 0n : (found.offset ?? 0n);
      return { partition, error: faults.offsetOutOfRange(at, offset(start), offset(asked.get(partition) ?? 0n)) };
    });
    this.#metrics.refused(failures);
    return { good: offsets.filter(isGood), failures };
  }

  #remember(partition: PartitionKey, end: bigint): void {
    if (this.#known.size >= rememberedMax) this.#known.clear();
    this.#known.set(partition, end);
  }
}
