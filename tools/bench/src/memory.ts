import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { MemoryWatch } from '@moldau/measure-tool/process-memory';
import type { Measured } from './samples.ts';
import { startMoldau } from './systems/moldau.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const idleMs = 10_000;
const valueBytes = 1_024;
/** Written, read and deleted in turn. */
const bytesEach = 1_000_000_000;

/** What a storage node as it runs in the image takes: idle, and minute by minute while it is written to and read from. */
export async function measureMemory(minutes: number, measured: Measured, say: (text: string) => void): Promise<void> {
  say('memory: building');
  execFileSync(process.execPath, ['tools/build/src/main.ts'], { cwd: root, stdio: 'ignore' });
  const system = await startMoldau(1, true);
  try {
    const [pid = 0] = system.serverPids;
    await sleep(idleMs);
    const watch = new MemoryWatch(pid);
    measured.add('memory of a storage node', 'idle', 'MiB', watch.residentMiB);
    const endAt = performance.now() + minutes * 60_000;
    for (let round = 1; performance.now() < endAt; round += 1) {
      say(`memory: under load, ${Math.round(watch.residentMiB)} MiB now`);
      const topic = `memory-${round}`;
      const load = { topic, records: Math.floor(bytesEach / valueBytes), valueBytes, clients: 1 };
      await system.createTopic({ name: topic, partitions: 6, replicas: 1 });
      await system.produce(load);
      measured.add('memory of a storage node', 'having written', 'MiB', watch.residentMiB);
      await system.consume(load);
      measured.add('memory of a storage node', 'having read', 'MiB', watch.residentMiB);
      await system.deleteTopic(topic);
    }
    measured.add('memory of a storage node', 'at most', 'MiB', watch.peakMiB);
    watch.stop();
  } finally {
    await system.stop();
  }
}
