import type { CompactionSizes } from './compaction.ts';
import type { EngineSizes } from './engine.ts';

const MiB = 2 ** 20;

/** How much is measured. */
export interface Sizes {
  readonly startUps: number;
  readonly gatewayBytes: number;
  readonly gatewayRuns: number;
  readonly idlePartitions: number;
  /** Of ten seconds each. */
  readonly idleWindows: number;
  readonly engine: EngineSizes;
  readonly compaction: CompactionSizes;
  readonly largeBytes: number;
  /** Whoever is not done by then gives up. */
  readonly deadlineSeconds: number;
}

export const full: Sizes = {
  startUps: 5,
  gatewayBytes: 256 * MiB,
  gatewayRuns: 5,
  idlePartitions: 10_000,
  idleWindows: 15,
  engine: {
    partitions: 10_000,
    starts: 3,
    scannedBytes: 512 * MiB,
    scans: 3,
    appends: 1_000,
    roundsOver: [100, 1_000],
    rounds: 10,
  },
  compaction: { records: 10_000_000, keys: 10_000 },
  largeBytes: 1024 * MiB,
  deadlineSeconds: 600,
};

export const quick: Sizes = {
  startUps: 3,
  gatewayBytes: 32 * MiB,
  gatewayRuns: 1,
  idlePartitions: 100,
  idleWindows: 3,
  engine: {
    partitions: 200,
    starts: 3,
    scannedBytes: 64 * MiB,
    scans: 3,
    appends: 200,
    roundsOver: [100],
    rounds: 3,
  },
  compaction: { records: 500_000, keys: 1_000 },
  largeBytes: 64 * MiB,
  deadlineSeconds: 120,
};
