import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '@moldau/testing/free-ports';
import { TiedProcess } from '@moldau/testing/tied-process';
import { type DebianServer, debianServer } from '../../streams/debian-server.ts';
import { RunningStreams } from '../../streams/running-streams.ts';
import type { System } from '../system.ts';
import { inFlightMax, readCount } from './pipeline.ts';

const name = 'Redis streams';
const attempts = 5;

const settings = [
  'appendonly, appendfsync always (as durable when acknowledged as a log that syncs), no snapshots, no rewriting',
  `XADD pipelined, ${inFlightMax} under way`,
  `XREAD COUNT ${readCount}, by several clients XREADGROUP NOACK`,
].join('; ');

/** Redis, with a stream as a topic. */
export const redis: System = {
  name,
  nodes: [1],
  async install() {
    const server = await debianServer('redis-server');
    return { version: server.version, settings, start: (directory) => start(server, directory) };
  },
};

async function start({ root, env }: DebianServer, directory: string): Promise<RunningStreams> {
  const folder = join(directory, 'redis');
  await mkdir(folder, { recursive: true });
  for (let attempt = 1; ; attempt++) {
    const [port = 0] = await freePorts(1);
    const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''];
    const appending = ['--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0'];
    const program = join(root, 'usr', 'bin', 'redis-server');
    const process = new TiedProcess(program, [...args, ...appending], { env, isRead: true });
    try {
      await process.says(/Ready to accept connections/);
      return new RunningStreams({
        name,
        script: new URL('redis-client.ts', import.meta.url),
        processes: [process],
        port,
      });
    } catch (error) {
      await process.kill();
      // Between finding a free port and using it, somebody else may take it.
      if (!String(error).includes('Address already in use') || attempt === attempts) throw error;
    }
  }
}
