import { setFlagsFromString } from 'node:v8';

/**
 * Tells V8 to mark the heap in one go, and not step by step beside the program. For a process that passes on much and keeps
 * little: V8 marks all of its heap after every 64 MiB of buffers, dead ones too, and in steps that costs
 * more (docs/measurements.md). With a large heap it would stop everything for too long. Before anything else runs.
 */
export function markAtOnce(): void {
  setFlagsFromString('--no-incremental-marking');
  setFlagsFromString('--no-concurrent-marking');
}
