import { join } from 'node:path';
import { TiedProcess } from '@moldau/testing/tied-process';
import { type DebianServer, debianServer } from '../../streams/debian-server.ts';
import { RunningStreams } from '../../streams/running-streams.ts';
import type { System } from '../system.ts';
import { inFlightMax, pulledAhead } from './pipeline.ts';

const name = 'NATS JetStream';

const settings = [
  'file storage, one copy, no fsync per record (its default: every two minutes)',
  `published asynchronously, ${inFlightMax} under way, each acknowledged`,
  `ordered pull consumer, ${pulledAhead} ahead`,
].join('; ');

/** NATS, with a JetStream stream as a topic. */
export const nats: System = {
  name,
  nodes: [1],
  async install() {
    const server = await debianServer('nats-server');
    return { version: server.version, settings, start: (directory) => start(server, directory) };
  },
};

async function start({ root, env }: DebianServer, directory: string): Promise<RunningStreams> {
  // It takes a free port by itself, and says which.
  const args = ['--addr', '127.0.0.1', '--port', '-1', '--jetstream', '--store_dir', join(directory, 'nats')];
  const process = new TiedProcess(join(root, 'usr', 'sbin', 'nats-server'), args, { env });
  try {
    const [, port] = await process.says(/Listening for client connections on 127\.0\.0\.1:(\d+)/);
    await process.says(/Server is ready/);
    return new RunningStreams({
      name,
      script: new URL('nats-client.ts', import.meta.url),
      processes: [process],
      port: Number(port),
    });
  } catch (error) {
    await process.kill();
    throw error;
  }
}
