// Appends that wait for the disk: one file, and rounds over many.
import { found, given } from './children.ts';
import { appendDurably, batchOf, DurableEnds, makePartitions, openDirectory } from './engine-bench.ts';
import { quantile } from './figure.ts';

const { path, appends, roundsOver, rounds } = given<{
  path: string;
  appends: number;
  roundsOver: readonly number[];
  rounds: number;
}>();

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

const directory = await openDirectory(path);
const durable = new DurableEnds();
const logs = await makePartitions(directory, Math.max(...roundsOver));
for (const log of logs) durable.watch(log);
const [first] = logs;
if (first === undefined) throw new Error('no partition was made');
const large = batchOf(64 * 1024);
const appendMs: number[] = [];
for (let i = 0; i < appends; i += 1) appendMs.push(await timed(() => appendDurably(first, large, durable)));

const small = batchOf(4096);
const roundMs: number[][] = [];
for (const files of roundsOver) {
  const some = logs.slice(0, files);
  const round = (): Promise<unknown> => Promise.all(some.map((log) => appendDurably(log, small, durable)));
  // The first one opens the files.
  await round();
  const times: number[] = [];
  for (let i = 0; i < rounds; i += 1) times.push(await timed(round));
  roundMs.push(times);
}
await directory.close();
found({ p50: quantile(appendMs, 0.5), p99: quantile(appendMs, 0.99), roundMs });
