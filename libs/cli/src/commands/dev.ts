import { type DevCluster, startDevCluster } from '@moldau/cluster';
import { collectEarly } from '@moldau/host';
import { startTelemetry } from '@moldau/process/telemetry';
import { confirm } from '../confirm.ts';
import { lookAt, make, remove } from '../dev-directory.ts';
import { usage } from '../exit-code.ts';
import { type Io, write } from '../io.ts';
import { numberOf, portOf } from '../numbers.ts';
import { type GlobalOptions, settingsOf } from '../settings.ts';
import { version } from '../version.ts';

/** Flags of `moldau dev`. */
export interface DevOptions extends GlobalOptions {
  readonly dir?: string;
  readonly memory?: boolean;
  readonly reset?: boolean;
  readonly yes?: boolean;
  readonly nodes: string;
  readonly host: string;
  readonly port: string;
  readonly httpPort?: string;
}

const defaultDirectory = './.moldau';
const memoryBytes = 1024 * 1024 * 1024;
/** One process is one core: more nodes only show how a cluster behaves. */
const nodesMax = 9;

/** Runs a cluster in this process until it is told to stop. */
export async function dev(options: DevOptions, io: Io): Promise<void> {
  const startedAt = performance.now();
  const { output } = settingsOf(options, io).values;
  const directory = directoryOf(options);
  const port = portOf('--port', options.port);
  const httpPort = options.httpPort === undefined ? undefined : portOf('--http-port', options.httpPort);
  const nodes = numberOf('--nodes', options.nodes, 1);
  if (nodes > nodesMax) throw usage(`--nodes ${nodes}: at most ${nodesMax} in one process`);
  if (directory !== undefined) await prepare(directory, options, io);
  const { host } = options;
  const http = httpPort === undefined ? undefined : { host, port: httpPort };
  const telemetry = await startTelemetry({ level: 'warn', prettyLog: io.stderr.isTTY === true, http });
  // The timers of services keep no process alive, and a start may have to wait: for space on its disk, for example.
  const alive = setInterval(() => {}, 60_000);
  try {
    const { logger, meter } = telemetry;
    const shape = { directory, memoryBytes, host, port, nodes, version, logger, meter };
    const cluster = await startDevCluster({ ...shape, onMoved: collectEarly() });
    try {
      telemetry.readyWhen(() => undefined);
      const tookMs = Math.round(performance.now() - startedAt);
      const ready = { cluster, httpPort: telemetry.httpPort, directory, tookMs };
      if (output === 'json' || output === 'jsonl') await announceToScript(ready, io);
      if (options.quiet !== true) announceToPerson(ready, io);
      await interruption(io.interrupted);
    } finally {
      await cluster.stop();
    }
  } finally {
    clearInterval(alive);
    await telemetry.close();
  }
  if (options.quiet !== true)
    io.stderr.write(directory === undefined ? 'stopped\n' : `stopped; the data stays in ${directory}\n`);
}

function directoryOf({ dir, memory, reset }: DevOptions): string | undefined {
  if (memory === true && dir !== undefined) throw usage('--memory and --dir exclude each other: choose one');
  if (memory === true && reset === true) throw usage('--memory and --reset exclude each other: memory is always new');
  return memory === true ? undefined : (dir ?? defaultDirectory);
}

async function prepare(directory: string, options: DevOptions, io: Io): Promise<void> {
  const found = await lookAt(directory);
  if (options.reset === true && found.state === 'ours') {
    await confirm(`delete all data in ${directory}`, options, io);
    await remove(directory);
  }
  await make(directory);
}

interface Ready {
  readonly cluster: DevCluster;
  readonly httpPort: number | undefined;
  readonly directory: string | undefined;
  readonly tookMs: number;
}

const endpointOf = ({ host, port }: DevCluster): string => `${host === '127.0.0.1' ? 'localhost' : host}:${port}`;

/** One line of JSON on stdout. */
function announceToScript({ cluster, httpPort, directory }: Ready, io: Io): Promise<void> {
  const facts = {
    endpoints: endpointOf(cluster),
    nodes: cluster.nodes,
    http_port: httpPort ?? null,
    cluster_id: cluster.clusterId,
    directory: directory ?? null,
  };
  return write(io.stdout, `${JSON.stringify(facts)}\n`);
}

function announceToPerson({ cluster, httpPort, directory, tookMs }: Ready, io: Io): void {
  const endpoint = endpointOf(cluster);
  const flag = endpoint === 'localhost:7070' ? '' : ` -s ${endpoint}`;
  const nodes = cluster.nodes.map(({ id, address }) => `${id} on ${address}`).join(', ');
  const behind = cluster.nodes.length === 1 ? '' : `Nodes: ${nodes}\n`;
  const status = httpPort === undefined ? '' : `Metrics: http://${cluster.host}:${httpPort}/metrics\n`;
  io.stderr.write(
    `Moldau ${version} is ready on ${endpoint} (${tookMs} ms). Data: ${directory ?? 'in memory, until it stops'}\n` +
      `${behind}${status}\n` +
      `  echo 'hello, river' | npx moldau produce${flag} greetings\n` +
      `  npx moldau consume${flag} greetings -o start -n 1\n\n`,
  );
}

const interruption = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    // A timer keeps the process alive; its sockets would too, but they go before the data is safe.
    const alive = setInterval(() => {}, 60_000);
    signal.addEventListener('abort', () => {
      clearInterval(alive);
      resolve();
    });
  });
