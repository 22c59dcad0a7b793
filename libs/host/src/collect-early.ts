import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of messages between two collections: each leaves about twice as much behind in dead buffers. */
const everyBytes = 8 * 1024 * 1024;

/**
 * For a process that passes on much and keeps little, best before anything else runs in it. Has its buffers collected while they
 * are young, and returns who is to be told how many bytes came in or go out.
 *
 * V8 frees a buffer that died young in a millisecond, with all others that did. But of those that come from sockets it knows
 * only that there are 64 MiB more of them than before, dead ones too, and then marks the whole heap: twenty times the cost,
 * and in steps beside the program, as it likes to, twice that (docs/performance.md). So it marks at once where it has to,
 * which would stop a process with a large heap for too long, and seldom has to: the old heap may grow to four times what
 * lived when it was marked last.
 */
export function collectEarly(): (movedBytes: number) => void {
  noted ??= begin();
  return noted;
}

/** One count for the process, however many servers and clients are in it. */
let noted: ((movedBytes: number) => void) | undefined;

function begin(): (movedBytes: number) => void {
  setFlagsFromString('--no-incremental-marking');
  setFlagsFromString('--no-concurrent-marking');
  setFlagsFromString('--heap-growing-percent=300');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: { readonly type: 'minor' }) => void;
  let sinceBytes = 0;
  return (movedBytes) => {
    sinceBytes += movedBytes;
    if (sinceBytes < everyBytes) return;
    sinceBytes = 0;
    collect({ type: 'minor' });
  };
}
