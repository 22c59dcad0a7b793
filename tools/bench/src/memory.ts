import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { median } from '@moldau/measure-tool/figure';
import { MemoryWatch } from '@moldau/measure-tool/process-memory';
import type { Measured } from './samples.ts';
import { startMoldau } from './systems/moldau.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const idleMs = 10_000;
const valueBytes = 1_024;
/** Written, read and deleted in turn. */
const bytesEach = 1_000_000_000;

/**
 * What a storage node as it runs in the image takes: idle, and round by round while it is written to and read from. The first
 * third of the time V8 stretches; what the last third takes more than the one before is growth.
 */
export async function measureMemory(minutes: number, measured: Measured, say: (text: string) => void): Promise<void> {
  say('memory: building');
  execFileSync(process.execPath, ['tools/build/src/main.ts'], { cwd: root, stdio: 'ignore' });
  const system = await startMoldau(1, true);
  try {
    const [pid = 0] = system.serverPids;
    await sleep(idleMs);
    const watch = new MemoryWatch(pid);
    measured.add('memory of a storage node', 'idle', 'MiB', watch.residentMiB);
    const startedAt = performance.now();
    const thirdMs = minutes * 20_000;
    const thirds: number[][] = [[], [], []];
    for (let round = 1; performance.now() < startedAt + 3 * thirdMs; round += 1) {
      const third = thirds[Math.floor((performance.now() - startedAt) / thirdMs)];
      say(`memory: under load, ${Math.round(watch.residentMiB)} MiB now`);
      const topic = `memory-${round}`;
      const load = { topic, records: Math.floor(bytesEach / valueBytes), valueBytes, clients: 1 };
      await system.createTopic({ name: topic, partitions: 6, replicas: 1 });
      await system.produce(load);
      measured.add('memory of a storage node', 'having written', 'MiB', watch.residentMiB);
      await system.consume(load);
      measured.add('memory of a storage node', 'having read', 'MiB', watch.residentMiB);
      third?.push(watch.residentMiB);
      await system.deleteTopic(topic);
    }
    measured.add('memory of a storage node', 'at most', 'MiB', watch.peakMiB);
    const [, before = [], last = []] = thirds;
    measured.add('memory of a storage node', 'growth from one third to the next', 'MiB', median(last) - median(before));
    watch.stop();
  } finally {
    await system.stop();
  }
}
