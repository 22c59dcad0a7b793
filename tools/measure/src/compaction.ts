import { join } from 'node:path';
import { runScript } from './children.ts';
import type { Figure } from './figure.ts';

/** How large the measurement of compaction is. */
export interface CompactionSizes {
  readonly records: number;
  readonly keys: number;
}

/** What the script found out. */
export interface CompactionResult {
  readonly writtenBytes: number;
  readonly leftBytes: number;
  readonly leftRecords: number;
  readonly appendRate: number;
  readonly readRecords: number;
  readonly settledSeconds: number;
  readonly loopDelayP99Ms: number;
  readonly loopDelayMaxMs: number;
}

/** What compaction costs a node that takes appends and is read meanwhile, and what it leaves. On the real disk. */
export async function measureCompaction(directory: string, { records, keys }: CompactionSizes): Promise<Figure[]> {
  const path = join(directory, 'compaction');
  const { result, peakMiB } = await runScript<CompactionResult>('engine-compaction.ts', { path, records, keys });
  const what = `${records} records over ${keys} keys`;
  // The peak is that of node, writer and reader together, 64 MiB for the tail cache and 64 MiB for keys among it.
  return [
    { name: `${what}: appended, while they were compacted and read`, unit: 'records/s', runs: [result.appendRate] },
    { name: `${what}: written`, unit: 'MiB', runs: [result.writtenBytes / 2 ** 20] },
    { name: `${what}: left on the disk`, unit: 'MiB', runs: [result.leftBytes / 2 ** 20] },
    {
      name: `${what}: left below the active segment, of what must stay`,
      unit: '%',
      runs: [(100 * result.leftRecords) / keys],
      target: { atMost: 100 },
    },
    { name: `${what}: from the last append until all is compacted`, unit: 's', runs: [result.settledSeconds] },
    { name: `${what}: peak resident memory`, unit: 'MiB', runs: [peakMiB] },
    {
      name: `${what}: delay of the loop while nothing but compaction runs, p99`,
      unit: 'ms',
      runs: [result.loopDelayP99Ms],
    },
    { name: `${what}: the same, at most`, unit: 'ms', runs: [result.loopDelayMaxMs] },
  ];
}
