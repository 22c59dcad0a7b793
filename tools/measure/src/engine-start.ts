// Opens a data directory that was closed in order, in a new process, and looks what its partitions take.
import { found, given } from './children.ts';
import { openDirectory } from './engine-bench.ts';

/** What stays when everything that can be collected is. */
function keptBytes(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const { path } = given<{ path: string }>();
const before = keptBytes();
const startedAt = performance.now();
const directory = await openDirectory(path);
const seconds = (performance.now() - startedAt) / 1000;
const bytesPerPartition = (keptBytes() - before) / directory.partitions.size;
const partitions = directory.partitions.size;
await directory.close();
found({ seconds, partitions, bytesPerPartition });
