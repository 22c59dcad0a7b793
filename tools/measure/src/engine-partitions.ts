// Makes a data directory of many partitions with one small batch in each, and closes it in order.

import { found, given } from './children.ts';
import { appendDurably, batchOf, DurableEnds, makePartitions, openDirectory } from './engine-bench.ts';

const { path, partitions } = given<{ path: string; partitions: number }>();
const startedAt = performance.now();
const directory = await openDirectory(path);
const durable = new DurableEnds();
const batch = batchOf(200);
const logs = await makePartitions(directory, partitions);
for (const log of logs) durable.watch(log);
await Promise.all(logs.map((log) => appendDurably(log, batch, durable)));
const madeAfter = performance.now();
await directory.close();
found({ madeSeconds: (madeAfter - startedAt) / 1000, closeSeconds: (performance.now() - madeAfter) / 1000 });
