import { createHash } from 'node:crypto';
import { connect } from '@moldau/client';
import { bin, startDevServer } from '@moldau/testing/dev-server';
import { ended, runScript, start } from './children.ts';
import type { Figure } from './figure.ts';
import { MemoryWatch } from './process-memory.ts';
import type { Load } from './produce-load.ts';
import { sumOf, TestValues } from './test-values.ts';

const topic = 'large';
const valueBytes = 1024;
const memoryMax = { atMost: 300 };

/** A topic much larger than anyone's memory is written and read; nobody may grow with it. */
export async function measureLargeTopic(directory: string, totalBytes: number): Promise<Figure[]> {
  const count = Math.ceil(totalBytes / valueBytes);
  const size = `${Math.round(totalBytes / 2 ** 20)} MiB`;
  const server = await startDevServer(directory, 0);
  const node = new MemoryWatch(server.pid);
  try {
    const { port } = server;
    await createTopic(port);
    const load: Load = { port, topic, count, valueBytes };
    const written = await runScript<{ seconds: number }>('produce-load.ts', load);
    const nodeWritten = node.peakMiB;
    const expected = sumOf(new TestValues(valueBytes), count);
    const byCommand = await consume(port);
    verify('moldau consume', byCommand.digest, expected);
    const bySdk = await runScript<{ seconds: number; digest: string }>('read-load.ts', { port, topic, isSummed: true });
    verify('the reader', bySdk.result.digest, expected);
    const rate = (seconds: number): number => totalBytes / 1e6 / seconds;
    return [
      { name: `node, peak resident memory, ${size} written`, unit: 'MiB', runs: [nodeWritten], target: memoryMax },
      { name: 'node, peak resident memory, the same read twice', unit: 'MiB', runs: [node.peakMiB], target: memoryMax },
      { name: '`moldau consume -o start -e`, peak', unit: 'MiB', runs: [byCommand.peakMiB], target: memoryMax },
      { name: 'SDK reader, peak', unit: 'MiB', runs: [bySdk.peakMiB], target: memoryMax },
      { name: 'SDK producer, peak', unit: 'MiB', runs: [written.peakMiB] },
      { name: `${size} written`, unit: 'MB/s', runs: [rate(written.result.seconds)] },
      { name: `${size} read by \`moldau consume\``, unit: 'MB/s', runs: [rate(byCommand.seconds)] },
      { name: `${size} read by the SDK, and summed up`, unit: 'MB/s', runs: [rate(bySdk.result.seconds)] },
    ];
  } finally {
    node.stop();
    await server.stop();
  }
}

async function createTopic(port: number): Promise<void> {
  await using client = await connect({ endpoints: `localhost:${port}` });
  await client.admin.createTopic({ name: topic, partitions: 1 });
}

/** Runs the command, and sums up what it prints. */
async function consume(port: number): Promise<{ seconds: number; peakMiB: number; digest: string }> {
  const startedAt = performance.now();
  const child = start([bin, '-s', `localhost:${port}`, 'consume', topic, '-o', 'start', '-e', '-f', '%o %v\\n']);
  const memory = new MemoryWatch(child.pid ?? 0);
  try {
    const hash = createHash('sha256');
    const done = ended(child);
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) hash.update(chunk);
    await done;
    const seconds = (performance.now() - startedAt) / 1000;
    return { seconds, peakMiB: memory.peakMiB, digest: hash.digest('hex') };
  } finally {
    memory.stop();
  }
}

function verify(who: string, digest: string, expected: string): void {
  if (digest !== expected) throw new Error(`${who} did not give what was written: ${digest} instead of ${expected}`);
}
