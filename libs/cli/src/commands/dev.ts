import { startDevCluster } from '@moldau/cluster';
import { silentMeter } from '@moldau/kernel';
import { createLogger } from '@moldau/telemetry';
import type { Io } from '../io.ts';
import { version } from '../version.ts';

/** Flags of `moldau dev`. */
export interface DevOptions {
  readonly dir: string;
  readonly memory?: boolean;
  readonly host: string;
  readonly port: string;
}

const memoryBytes = 1024 * 1024 * 1024;

/** Runs a cluster in this process until it is told to stop. */
export async function dev(options: DevOptions, io: Io): Promise<void> {
  const startedAt = performance.now();
  const logger = createLogger({ level: 'warn', pretty: io.stderr.isTTY === true });
  const cluster = await startDevCluster({
    directory: options.memory === true ? undefined : options.dir,
    memoryBytes,
    host: options.host,
    port: Number(options.port),
    version,
    logger,
    meter: silentMeter,
  });
  const took = Math.round(performance.now() - startedAt);
  const where = options.memory === true ? 'in memory, until it stops' : options.dir;
  const endpoint = `localhost:${cluster.port}`;
  const flag = cluster.port === 7070 ? '' : ` -s ${endpoint}`;
  io.stderr.write(
    `Moldau ${version} is ready on ${endpoint} (${took} ms). Data: ${where}\n\n` +
      `  echo 'hello, river' | npx moldau produce${flag} greetings\n` +
      `  npx moldau consume${flag} greetings -o start -n 1\n\n`,
  );
  await new Promise<void>((resolve) => {
    // A timer keeps the process alive; its sockets would too, but they go before the data is safe.
    const alive = setInterval(() => {}, 60_000);
    io.interrupted.addEventListener('abort', () => {
      clearInterval(alive);
      resolve();
    });
  });
  await cluster.stop();
}
