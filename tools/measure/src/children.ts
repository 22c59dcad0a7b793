import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { MemoryWatch } from './process-memory.ts';

/** What a process of its own found out. */
export interface Ran<T> {
  readonly result: T;
  readonly peakMiB: number;
}

/** A process whose output is read. */
export type Child = ChildProcessByStdio<null, Readable, null>;

/** Starts a process of this Node that dies with this one. */
export function start(args: readonly string[]): Child {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const kill = (): void => void child.kill('SIGKILL');
  // Before whoever removes its files.
  process.prependOnceListener('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  return child;
}

/** Resolves when a process has ended well. */
export async function ended(child: Child): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  if (child.exitCode !== 0)
    throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode ?? child.signalCode}`);
}

/** Runs a script of this tool in a process of its own: it is given its arguments as JSON, and prints its result so. */
export async function runScript<T>(script: string, args: object): Promise<Ran<T>> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = start(['--expose-gc', path, JSON.stringify(args)]);
  const memory = new MemoryWatch(child.pid ?? 0);
  try {
    const [printed] = await Promise.all([text(child.stdout), ended(child)]);
    return { result: JSON.parse(printed) as T, peakMiB: memory.peakMiB };
  } finally {
    memory.stop();
  }
}

/** For a script: what it was given. */
export const given = <T>(): T => JSON.parse(process.argv[2] ?? '{}') as T;

/** For a script: what it found out. */
export const found = (result: object): void => console.log(JSON.stringify(result));
