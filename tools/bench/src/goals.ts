import type { Measured } from './samples.ts';
import { slowerBare } from './throughput.ts';

/** A quotient that is to be reached, of two figures of one run. */
export interface Goal {
  readonly what: string;
  readonly who: string;
  readonly to: string;
  /** Of the other figure, if it is another one. */
  readonly toWhat?: string;
  /** `less`: the figure is a time, and is to be at most this part of the other. */
  readonly better: 'more' | 'less';
  readonly floor: number;
  readonly goal?: number;
}

/** What was reached of a goal. */
export interface Reached extends Goal {
  readonly ratio: number;
  /** False: what should bound it was itself held up, so that the ratio says nothing. */
  readonly hasCeiling: boolean;
  readonly isFloorHeld: boolean;
  readonly isReached: boolean;
}

const us = 'Moldau';
const kafka = 'Apache Kafka';
const stream = 'bare gRPC stream';

const small = '100 B, 1 partition, produce';
const smallRead = '100 B, 1 partition, consume';
const medium = '1 KiB, 1 partition, produce';
const replicated = '1 KiB, 3 copies, produce';
const steady = 'end to end at 1 000 records/s';

const more = (what: string, who: string, to: string, floor: number, goal?: number, toWhat?: string): Goal => ({
  ...{ what, who, to, better: 'more', floor },
  ...(goal !== undefined && { goal }),
  ...(toWhat !== undefined && { toWhat }),
});
const less = (what: string, who: string, to: string, floor: number, goal: number): Goal => ({
  ...{ what, who, to, better: 'less', floor, goal },
});

/** What this system is to be. To the ceiling, and to what people would use instead. */
export const goals: readonly Goal[] = [
  more(small, us, slowerBare, 0.3, 0.5),
  more(small, us, kafka, 1.2, 3),
  more(small, us, 'NATS JetStream', 20),
  more(small, us, 'Redis streams', 20),
  more(small, us, 'RabbitMQ streams', 2),
  more(medium, us, slowerBare, 0.4, 0.6),
  more(medium, us, kafka, 1.2, 2),
  more(replicated, us, slowerBare, 0.15, 0.2, medium),
  more(replicated, us, kafka, 1, 1.5),
  more(smallRead, `${us}, for await`, stream, 0.25, 0.35),
  more(smallRead, `${us}, for await`, kafka, 1, 1.5),
  more(smallRead, `${us}, batches()`, stream, 0.5, 0.65),
  more(smallRead, `${us}, rawBatches()`, stream, 0.75, 0.85),
  more('cold read', us, 'bare file through a gRPC stream', 0.7, 0.85),
  less(`${steady}, p50`, us, 'bare round trip + fdatasync', 2, 1.5),
  less(`${steady}, p99`, us, kafka, 1, 0.5),
  less('end to end at 100 000 records/s, p99', us, kafka, 1, 0.5),
  less('end to end at half of the most that ours can write and read at once, p99', us, kafka, 1, 0.5),
  more('1 000 partitions, no key, produce', us, us, 0.35, 0.7, small),
  less(`${small}: CPU seconds per million records, all`, us, kafka, 1, 0.5),
];

/** Whether it is held against what nothing can pass by much: something bare. */
export const isToCeiling = ({ to }: Goal): boolean => to.startsWith('bare');

/** Faster than its ceiling by more than a half, or done in less than half of its time. */
const isBeyondCeiling = (goal: Goal, ratio: number): boolean =>
  isToCeiling(goal) && (goal.better === 'more' ? ratio > 1.5 : ratio < 0.5);

/** What can be said of the goals with what was measured. */
export function reached(measured: Measured): Reached[] {
  return goals.flatMap((goal) => {
    const ratio = measured.ratio(goal.what, goal.who, goal.to, goal.toWhat);
    if (ratio === undefined) return [];
    const holds = (bound: number): boolean => (goal.better === 'more' ? ratio >= bound : ratio <= bound);
    const hasCeiling = !isBeyondCeiling(goal, ratio);
    return [{ ...goal, ratio, hasCeiling, isFloorHeld: holds(goal.floor), isReached: holds(goal.goal ?? goal.floor) }];
  });
}
