import { join } from 'node:path';
import { bin, startDevServer } from '@moldau/testing/dev-server';
import { ended, start } from './children.ts';
import type { Figure } from './figure.ts';

/** How long a person waits: for a server, and for the command itself. */
export async function measureStartUp(directory: string, times: number): Promise<Figure[]> {
  const ready: number[] = [];
  for (let i = 0; i < times; i += 1) {
    const server = await startDevServer(join(directory, `data-${i}`), 0);
    ready.push(server.readyAfterMs / 1000);
    await server.stop();
  }
  // The first one warms the compile cache.
  await commandSeconds();
  const command: number[] = [];
  for (let i = 0; i < times; i += 1) command.push(await commandSeconds());
  return [
    { name: '`moldau dev`, from its spawn until it is ready', unit: 's', runs: ready, target: { atMost: 5 } },
    { name: '`moldau --version`, spawn to end', unit: 's', runs: command, target: { atMost: 0.3 } },
  ];
}

async function commandSeconds(): Promise<number> {
  const startedAt = performance.now();
  const child = start([bin, '--version']);
  child.stdout.resume();
  await ended(child);
  return (performance.now() - startedAt) / 1000;
}
