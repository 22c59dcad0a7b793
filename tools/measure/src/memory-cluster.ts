// A coordinator and a node of one process that keep everything in memory. Prints their port, and lives until it is killed.
import { startDevCluster } from '@moldau/cluster';
import { silentLogger, silentMeter } from '@moldau/kernel';
import { found, given } from './children.ts';

const { memoryBytes } = given<{ memoryBytes: number }>();
const { port } = await startDevCluster({
  directory: undefined,
  memoryBytes,
  host: '127.0.0.1',
  port: 0,
  version: 'measured',
  logger: silentLogger,
  meter: silentMeter,
});
found({ port });
setInterval(() => {}, 60_000);
