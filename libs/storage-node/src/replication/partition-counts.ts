import type { Partition } from '../partition.ts';
import type { Partitions } from '../partitions.ts';

/** How many partitions of a node are in which state. */
export interface Counts {
  readonly led: number;
  readonly followed: number;
  readonly underReplicated: number;
  readonly belowMinInSync: number;
  readonly offline: number;
  readonly damaged: number;
}

/** Looks at every partition of a node. `lagOffsets`: the most that a follower of one lacks. */
export function count(partitions: Partitions): Counts & { readonly lagOffsets: number } {
  const all = [...partitions.all()];
  const led = all.filter(({ leading }) => leading !== undefined);
  const of = (some: readonly Partition[], is: (partition: Partition) => boolean): number => some.filter(is).length;
  return {
    led: led.length,
    followed: of(all, ({ following }) => following !== undefined),
    underReplicated: of(led, ({ leading }) => {
      const { isr, replicas } = leading?.committed ?? { isr: [], replicas: [] };
      return isr.length < replicas.length;
    }),
    belowMinInSync: of(led, ({ leading }) => leading?.hasEnoughReplicas === false),
    offline: of(all, ({ role }) => role.kind === 'follower' && role.leader === undefined),
    damaged: of(all, ({ log }) => log.isCorrupt),
    lagOffsets: led.reduce((most, { leading }) => Math.max(most, Number(leading?.lagOffsets ?? 0n)), 0),
  };
}
