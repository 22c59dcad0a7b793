import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';

/**
 * The shell becomes the program, and leaves a guard behind that waits at the pipe. The pipe ends with whoever holds its
 * other end, however that ends. A line in it says that the program is gone, and nothing is left to be done.
 */
const guarded = '(read -r _ <&3 || kill -9 $$) >/dev/null 2>&1 & exec "$@" 3<&-';

const living = new Set<ChildProcess>();
// The guard comes too late for who removes their files as this process ends.
process.prependOnceListener('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** What a program wants otherwise than usual. */
export interface TiedSetup {
  /** Its environment, besides the PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Somebody reads its stdout. Usually what it says there is dropped. */
  readonly isRead?: boolean;
}

/**
 * Starts a program that dies with this process, or with the thread of it that called, even where that is killed and
 * cleans up nothing.
 */
export function spawnTied(
  program: string,
  args: readonly string[],
  { env = {}, isRead = false }: TiedSetup = {},
): ChildProcess {
  const child = spawn('sh', ['-c', guarded, 'sh', program, ...args], {
    stdio: ['ignore', isRead ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    // Nothing of the developer's own settings.
    env: { PATH: process.env.PATH, ...env },
  });
  const lifeline = child.stdio[3] as Duplex;
  // The guard may be gone already.
  lifeline.on('error', () => {});
  living.add(child);
  child.once('exit', () => {
    living.delete(child);
    lifeline.end('gone\n');
  });
  return child;
}
