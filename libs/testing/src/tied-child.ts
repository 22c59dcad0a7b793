import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';

/**
 * The shell becomes the program, and leaves a guard behind that waits at the pipe. The pipe ends with whoever holds its
 * other end, however that ends. A line in it says that the program is gone, and nothing is left to be done.
 */
const guarded = '(read -r _ <&3 || kill -9 $$) >/dev/null 2>&1 & exec "$@" 3<&-';

/**
 * Starts a program that dies with this process, or with the thread of it that called, even where that is killed and
 * cleans up nothing. What it says on stdout is dropped.
 */
export function spawnTied(program: string, args: readonly string[]): ChildProcess {
  const child = spawn('sh', ['-c', guarded, 'sh', program, ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    // Nothing of the developer's own settings.
    env: { PATH: process.env.PATH },
  });
  const lifeline = child.stdio[3] as Duplex;
  // The guard may be gone already.
  lifeline.on('error', () => {});
  child.once('exit', () => lifeline.end('gone\n'));
  return child;
}
