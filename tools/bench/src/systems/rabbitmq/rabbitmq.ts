import { type DebianServer, debianServer } from '../../streams/debian-server.ts';
import { RunningStreams } from '../../streams/running-streams.ts';
import type { System } from '../system.ts';
import { startBroker } from './broker.ts';
import { frameRecords, unconfirmedMax } from './pipeline.ts';

const name = 'RabbitMQ streams';

const settings = [
  'one copy, no fsync (streams leave that to the system)',
  `frames of up to ${frameRecords} records, ${unconfirmedMax} unconfirmed, each confirmed, no sub-entries`,
  'consumer with the default credit of one chunk, with which alone this client keeps the order',
].join('; ');

/** RabbitMQ with its stream protocol; a stream as a topic. */
export const rabbitmq: System = {
  name,
  nodes: [1],
  async install() {
    const server = await debianServer('rabbitmq-server');
    return { version: server.version, settings, start: (directory) => start(server, directory) };
  },
};

async function start(server: DebianServer, directory: string): Promise<RunningStreams> {
  const script = new URL('rabbitmq-client.ts', import.meta.url);
  return new RunningStreams({ name, script, ...(await startBroker(server, directory)) });
}
