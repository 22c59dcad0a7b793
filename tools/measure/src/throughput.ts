import { join } from 'node:path';
import { connect } from '@moldau/client';
import { startDevServer } from '@moldau/testing/dev-server';
import { runScript } from './children.ts';
import type { Figure } from './figure.ts';
import type { Load } from './produce-load.ts';

/** What one client writes and reads in a second, of small and of larger records; without targets. */
export async function measureThroughput(directory: string, bytesPerRun: number, times: number): Promise<Figure[]> {
  const server = await startDevServer(join(directory, 'data'), 0);
  try {
    const { port } = server;
    const figures: Figure[] = [];
    for (const valueBytes of [100, 1024]) {
      const count = Math.ceil(bytesPerRun / Math.max(valueBytes, 250));
      const written: number[] = [];
      const read: number[] = [];
      for (let i = 0; i < times; i += 1) {
        const topic = `load-${valueBytes}-${i}`;
        await createTopic(port, topic);
        const load: Load = { port, topic, count, valueBytes };
        written.push(count / (await runScript<{ seconds: number }>('produce-load.ts', load)).result.seconds);
        const { result } = await runScript<{ seconds: number; count: number }>('read-load.ts', {
          port,
          topic,
          isSummed: false,
        });
        if (result.count !== count) throw new Error(`${result.count} of ${count} records were read`);
        read.push(count / result.seconds);
      }
      figures.push(
        { name: `produce, ${valueBytes} B values, one client`, unit: 'records/s', runs: written },
        { name: `consume, ${valueBytes} B values, one client`, unit: 'records/s', runs: read },
      );
    }
    return figures;
  } finally {
    await server.stop();
  }
}

async function createTopic(port: number, name: string): Promise<void> {
  await using client = await connect({ endpoints: `localhost:${port}` });
  await client.admin.createTopic({ name, partitions: 1 });
}
