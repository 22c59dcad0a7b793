import { join } from 'node:path';
import { runScript } from './children.ts';
import type { Figure } from './figure.ts';

/** How large the measurements of the engine are. */
export interface EngineSizes {
  readonly partitions: number;
  readonly starts: number;
  readonly scannedBytes: number;
  readonly scans: number;
  readonly appends: number;
  /** How many files a sync round is measured over. */
  readonly roundsOver: readonly number[];
  readonly rounds: number;
}

/** The storage engine by itself, on the real disk. Each measurement is a process of its own. */
export async function* measureEngine(directory: string, sizes: EngineSizes): AsyncGenerator<Figure> {
  yield* manyPartitions(join(directory, 'partitions'), sizes);
  yield* recovery(join(directory, 'recovery'), sizes);
  yield* syncs(join(directory, 'syncs'), sizes);
}

async function* manyPartitions(path: string, { partitions, starts }: EngineSizes): AsyncGenerator<Figure> {
  const made = await runScript<{ madeSeconds: number; closeSeconds: number }>('engine-partitions.ts', {
    path,
    partitions,
  });
  const seconds: number[] = [];
  const kept: number[] = [];
  for (let i = 0; i < starts; i += 1) {
    const { result } = await runScript<{ seconds: number; partitions: number; bytesPerPartition: number }>(
      'engine-start.ts',
      { path },
    );
    if (result.partitions !== partitions)
      throw new Error(`${result.partitions} of ${partitions} partitions were found`);
    seconds.push(result.seconds);
    kept.push(result.bytesPerPartition / 1024);
  }
  const target = partitions === 10_000 ? { target: { atMost: 10 } } : {};
  yield { name: `${partitions} partitions, start after a clean stop`, unit: 's', runs: seconds, ...target };
  yield { name: 'memory kept for an idle partition', unit: 'KiB', runs: kept, target: { atMost: 16 } };
  yield { name: `${partitions} partitions made, one batch in each`, unit: 's', runs: [made.result.madeSeconds] };
  yield { name: `${partitions} partitions closed in order`, unit: 's', runs: [made.result.closeSeconds] };
}

async function* recovery(path: string, { scannedBytes, scans }: EngineSizes): AsyncGenerator<Figure> {
  await runScript('engine-fill.ts', { path, bytes: scannedBytes });
  const { result } = await runScript<{ scanRates: number[]; recoveryRate: number; records: number }>(
    'engine-recovery.ts',
    { path, scans },
  );
  if (result.records * 64 * 1024 < scannedBytes * 0.99)
    throw new Error(`only ${result.records} batches were recovered`);
  const size = `${Math.round(scannedBytes / 2 ** 20)} MiB`;
  yield { name: `recovery, scan of ${size}`, unit: 'MB/s', runs: result.scanRates, target: { atLeast: 500 } };
  yield {
    name: `recovery of ${size} in all: scanned, written again, synced`,
    unit: 'MB/s',
    runs: [result.recoveryRate],
  };
}

async function* syncs(path: string, { appends, roundsOver, rounds }: EngineSizes): AsyncGenerator<Figure> {
  const { result } = await runScript<{ p50: number; p99: number; roundMs: number[][] }>('engine-syncs.ts', {
    path,
    appends,
    roundsOver,
    rounds,
  });
  yield { name: `64 KiB append, durable, p50 of ${appends}`, unit: 'ms', runs: [result.p50] };
  yield { name: `64 KiB append, durable, p99 of ${appends}`, unit: 'ms', runs: [result.p99] };
  for (const [i, files] of roundsOver.entries()) {
    yield { name: `a sync round over ${files} files`, unit: 'ms', runs: result.roundMs[i] ?? [] };
  }
}
