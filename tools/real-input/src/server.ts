import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const bin = fileURLToPath(new URL('../../../apps/cli/bin/moldau.mjs', import.meta.url));

/** A running `moldau dev`. */
export interface Server {
  readonly port: number;
  readonly pid: number;
  /** SIGKILL: nothing is flushed, nothing is said. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
}

/** Starts a server on a data directory; port 0 takes a free one. Resolves when it is ready. */
export async function startServer(directory: string, port: number): Promise<Server> {
  const child = spawn(process.execPath, [bin, 'dev', '--dir', directory, '--port', String(port)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  const bound = await ready(child);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return { port: bound, pid: child.pid ?? 0, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
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
