import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ceiling } from './ceiling/ceiling.ts';
import type { Measured } from './samples.ts';
import type { RunningMoldau } from './systems/moldau.ts';
import { frameBytes } from './throughput.ts';

const valueBytes = 1_024;
const MiB = 2 ** 20;

/** Reads what no cache of ours has: from the disk where the caches of the kernel can be dropped, which takes root. */
export async function measureColdRead(
  bytes: number,
  rounds: number,
  { system, ceiling, directory }: { system: RunningMoldau; ceiling: Ceiling; directory: string },
  measured: Measured,
  say: (text: string) => void,
): Promise<void> {
  const path = join(directory, 'cold');
  const load = { topic: 'cold', records: Math.floor(bytes / valueBytes), valueBytes, clients: 1 };
  say('cold read: writing');
  await writeFile(path, bytes);
  await system.createTopic({ name: load.topic, partitions: 1, replicas: 1 });
  await system.produce(load);
  const what = dropCaches() ? 'cold read' : 'read from the page cache, which only root can drop';
  for (let round = 1; round <= rounds; round += 1) {
    say(`${what}: round ${round} of ${rounds}`);
    dropCaches();
    measured.add(what, 'bare file through a gRPC stream', 'MB/s', (await ceiling.file(path, frameBytes)) / 1e6);
    dropCaches();
    const { seconds } = await system.consume(load, { mode: 'raw' });
    measured.add(what, 'Moldau', 'MB/s', (load.records * valueBytes) / 1e6 / seconds);
  }
  await system.deleteTopic(load.topic);
  rmSync(path);
}

async function writeFile(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w');
  const piece = Buffer.alloc(MiB, 'what nobody has read for long');
  for (let written = 0; written < bytes; written += MiB) await file.write(piece);
  await file.sync();
  await file.close();
}

function dropCaches(): boolean {
  execFileSync('sync');
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}
