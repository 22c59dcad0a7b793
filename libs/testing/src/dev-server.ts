import { fileURLToPath } from 'node:url';
import { TiedProcess } from './tied-process.ts';

/** The `moldau` command of this repository. */
export const bin = fileURLToPath(new URL('../../../apps/cli/bin/moldau.mjs', import.meta.url));

/** A running `moldau dev`. It dies with the process that started it. */
export interface DevServer {
  readonly port: number;
  readonly pid: number;
  /** From the spawn to the line that says it is ready. */
  readonly readyAfterMs: number;
  /** SIGKILL: nothing is flushed, nothing is said. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
}

/** Starts a server on a data directory; port 0 takes a free one. Resolves when it is ready. */
export async function startDevServer(directory: string, port: number): Promise<DevServer> {
  const spawnedAt = performance.now();
  const server = new TiedProcess(process.execPath, [bin, 'dev', '--dir', directory, '--port', String(port)]);
  const [, bound] = await server.says(/is ready on \S+:(\d+)\s/);
  const readyAfterMs = performance.now() - spawnedAt;
  const { pid } = server;
  return { port: Number(bound), pid, readyAfterMs, kill: () => server.kill(), stop: () => server.stop() };
}
