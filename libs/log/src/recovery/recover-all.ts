import { type PartitionKey, partitionKey, sleep, type Timers } from '@moldau/kernel';
import type { DirectoryContext } from '../directory-context.ts';
import type { DirectoryStart } from '../directory-start.ts';
import { type Found, LogState } from '../log-state.ts';
import { partitionDirectory } from '../partition-directories.ts';
import { forEachParallel } from '../slots.ts';
import { PartitionTail } from '../tail-cache.ts';
import { identityOfName, readIdentity } from './partition-files.ts';
import { recoverPartition } from './recover-partition.ts';

const partitionsAtOnce = 16;
const windowsBetweenPauses = 4;

/** Told how many partitions are done, and how many there are. */
export type OnProgress = (done: number, total: number) => void;

/** A partition as recovery leaves it. */
export interface RecoveredPartition {
  readonly state: LogState;
  readonly found: Found;
}

/** Recovers everything that stands in a data directory, and what the checkpoint misses there. */
export async function recoverAll(
  context: DirectoryContext,
  directory: string,
  start: DirectoryStart,
  onProgress: OnProgress,
  onRecovered: (partition: RecoveredPartition) => void,
): Promise<void> {
  const records = start.checkpoint?.partitions ?? new Map();
  const removed = start.found.removedKeys;
  const missing = [...records.keys()].filter((key) => !start.found.keys.includes(key) && !removed.has(key));
  const keys = [...start.found.keys, ...missing];
  const isMissing = new Set(missing);
  let recovered = 0;
  await forEachParallel(keys, partitionsAtOnce, async (key) => {
    onRecovered(await recoverOne(context, directory, start, key, isMissing.has(key)));
    recovered += 1;
    onProgress(recovered, keys.length);
  });
}

async function recoverOne(
  context: DirectoryContext,
  directory: string,
  start: DirectoryStart,
  key: PartitionKey,
  isMissing: boolean,
): Promise<RecoveredPartition> {
  const path = partitionDirectory(directory, key);
  if (isMissing) await context.fs.makeDirectory(path);
  const read = await readIdentity(context.fs, path);
  // A file that names another partition than its directory does is as damaged as one that names none.
  const known = read !== undefined && partitionKey(read.topicId, read.partition) === key ? read : undefined;
  const identity = known ?? identityOfName(key);
  const state = new LogState(key, identity, path, new PartitionTail(context.tail));
  const found = await recoverPartition(context, state, {
    record: start.checkpoint?.partitions.get(key),
    clean: start.clean,
    doubt: start.clean || start.sameBoot ? undefined : 'unclean',
    problem: problemOf(start, isMissing, known === undefined),
    pause: pauseNowAndThen(context.timers),
  });
  return { state, found };
}

function problemOf(start: DirectoryStart, isMissing: boolean, isAnonymous: boolean): string | undefined {
  if (isMissing) return 'its directory is missing';
  if (start.checkpoint === undefined) return 'the checkpoint of its data directory is missing or damaged';
  if (isAnonymous) return 'its partition.json is missing or damaged';
  return undefined;
}

/** Scans give way to the other work of the loop: heartbeats live there. */
function pauseNowAndThen(timers: Timers): () => Promise<void> {
  let windows = 0;
  return async () => {
    windows += 1;
    if (windows % windowsBetweenPauses === 0) await sleep(timers, 0);
  };
}
