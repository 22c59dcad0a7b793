// Fills a log without waiting for syncs to be checkpointed, and ends as a killed process does.
import { copyFileSync } from 'node:fs';
import { found, given } from './children.ts';
import { appendDurably, batchOf, DurableEnds, makePartitions, openDirectory } from './engine-bench.ts';

const { path, bytes } = given<{ path: string; bytes: number }>();
const directory = await openDirectory(path);
const durable = new DurableEnds();
const [log] = await makePartitions(directory, 1);
if (log === undefined) throw new Error('no partition was made');
durable.watch(log);
await directory.noteAssigned(directory.assignedUpTo);
const checkpoint = `${path}/checkpoint`;
copyFileSync(checkpoint, `${checkpoint}-early`);
const batch = batchOf(64 * 1024);
const perRound = 16;
for (let written = 0; written < bytes; written += perRound * batch.length) {
  for (let i = 1; i < perRound; i += 1) log.append(new Uint8Array(batch));
  await appendDurably(log, batch, durable);
}
// The checkpoint of before: everything is above its synced end, as if the last second had been that long.
copyFileSync(`${checkpoint}-early`, checkpoint);
found({ bytes: Number(log.logEnd) * batch.length });
process.exit(0);
