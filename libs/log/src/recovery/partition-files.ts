import { FileError, type Millis, partitionIndex, topicId } from '@moldau/kernel';
import { settleSwaps } from '../compaction/segment-swap.ts';
import type { DirectoryContext } from '../directory-context.ts';
import type { GuardedFileSystem } from '../guarded-file-system.ts';
import type { PartitionIdentity } from '../log-state.ts';
import { offsetOfName, Segment } from '../segment.ts';
import { isLeftover, readJson, toJson } from '../small-files.ts';

export const identityName = 'partition.json';
const identityFormat = 1;

/**
 * The segments that stand in a partition's directory, with their sizes. Swaps that a compaction had begun are finished or taken
 * back, leftovers of interrupted replacements go.
 */
export async function findSegments(context: DirectoryContext, directory: string, nowMs: Millis): Promise<Segment[]> {
  await settleSwaps(context, directory);
  const names = await context.fs.list(directory);
  const bases = names.flatMap((name) => offsetOfName(name, '.log') ?? []);
  const segments: Segment[] = [];
  for (const [i, baseOffset] of bases.entries()) {
    const nextOffset = bases[i + 1] ?? baseOffset;
    const segment = new Segment(directory, baseOffset, { sizeBytes: 0, nextOffset, sinceMs: nowMs });
    segment.sizeBytes = await context.readers.use(segment.path, (file) => file.size());
    segment.syncedBytes = segment.sizeBytes;
    segments.push(segment);
  }
  for (const name of names) if (isLeftover(name)) await context.fs.removeFile(`${directory}/${name}`);
  return segments;
}

export function identityBytes(identity: PartitionIdentity): Uint8Array {
  return toJson({ formatVersion: identityFormat, ...identity });
}

export const identityPath = (directory: string): string => `${directory}/${identityName}`;

/** Whose directory it is; undefined when that is missing or damaged. */
export async function readIdentity(fs: GuardedFileSystem, directory: string): Promise<PartitionIdentity | undefined> {
  const json = await readJsonIfThere(fs, directory);
  if (json === undefined || json === 'bad') return undefined;
  const { topicId: id, topic, partition } = json;
  if (typeof id !== 'string' || typeof topic !== 'string' || typeof partition !== 'number') return undefined;
  return { topicId: topicId(id), topic, partition: partitionIndex(partition) };
}

/** The identity that a directory's name gives away: everything but the topic's name. */
export function identityOfName(name: string): PartitionIdentity {
  const dash = name.lastIndexOf('-');
  const topic = name.slice(0, dash);
  return { topicId: topicId(topic), topic, partition: partitionIndex(Number(name.slice(dash + 1))) };
}

async function readJsonIfThere(fs: GuardedFileSystem, directory: string) {
  try {
    return await readJson(fs, identityPath(directory));
  } catch (error) {
    if (error instanceof FileError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
