import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

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
  const child = spawn(process.execPath, [bin, 'dev', '--dir', directory, '--port', String(port)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  const bound = await ready(child);
  const readyAfterMs = performance.now() - spawnedAt;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return { port: bound, pid: child.pid ?? 0, readyAfterMs, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
}

async function ready(child: ChildProcess): Promise<number> {
  if (child.stderr === null) throw new Error('the server has no stderr');
  const said: string[] = [];
  for await (const line of createInterface(child.stderr)) {
    said.push(line);
    const port = /is ready on \S+:(\d+)/.exec(line)?.[1];
    if (port === undefined) continue;
    child.stderr.resume();
    return Number(port);
  }
  throw new Error(`the server did not start:\n${said.join('\n')}`);
}
