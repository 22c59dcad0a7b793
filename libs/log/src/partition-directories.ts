import { offset, type PartitionKey, type Random, randomName } from '@moldau/kernel';
import type { GuardedFileSystem } from './guarded-file-system.ts';
import type { PartitionIdentity } from './log-state.ts';
import { identityBytes, identityPath } from './recovery/partition-files.ts';
import { offsetName } from './segment.ts';
import { replaceFile } from './small-files.ts';

// Partitions stand in `<data directory>/partitions/`, each under its key. One that is being made has `.new` behind its
// name, one that is being removed `.<random>.removed`: both are swept at the next start.

const madeSuffix = '.new';
const removedSuffix = '.removed';

export const partitionsDirectory = (directory: string): string => `${directory}/partitions`;

export const partitionDirectory = (directory: string, key: PartitionKey): string =>
  `${partitionsDirectory(directory)}/${key}`;

/** What stands in a data directory. */
export interface FoundDirectories {
  readonly keys: readonly PartitionKey[];
  /** Removed on purpose, though the checkpoint may still name them. */
  readonly removedKeys: ReadonlySet<PartitionKey>;
  /** To be deleted once the checkpoint no longer names them. */
  readonly leftovers: readonly string[];
}

export async function listPartitionDirectories(fs: GuardedFileSystem, directory: string): Promise<FoundDirectories> {
  const names = await fs.list(partitionsDirectory(directory));
  const isLeftover = (name: string): boolean => name.endsWith(madeSuffix) || name.endsWith(removedSuffix);
  const removed = names.filter((name) => name.endsWith(removedSuffix)).map((name) => name.split('.')[0] ?? name);
  return {
    keys: names.filter((name) => !isLeftover(name)) as PartitionKey[],
    removedKeys: new Set(removed as PartitionKey[]),
    leftovers: names.filter(isLeftover).map((name) => `${partitionsDirectory(directory)}/${name}`),
  };
}

/** Makes a partition's directory with its identity and an empty segment: there as a whole, durably, or not at all. */
export async function makePartitionDirectory(
  fs: GuardedFileSystem,
  directory: string,
  key: PartitionKey,
  identity: PartitionIdentity,
): Promise<void> {
  const path = partitionDirectory(directory, key);
  const aside = path + madeSuffix;
  await fs.removeDirectory(aside);
  await fs.makeDirectory(aside);
  const segment = await fs.openAppend(`${aside}/${offsetName(offset(0))}.log`);
  try {
    await segment.sync();
  } finally {
    await segment.close();
  }
  await replaceFile(fs, identityPath(aside), identityBytes(identity));
  await fs.rename(aside, path);
  await fs.syncDirectory(partitionsDirectory(directory));
}

/** Takes a partition's directory away: its name first, durably; returns what is left to delete. */
export async function setPartitionDirectoryAside(
  fs: GuardedFileSystem,
  random: Random,
  directory: string,
  key: PartitionKey,
): Promise<string> {
  const path = partitionDirectory(directory, key);
  const aside = `${path}.${randomName(random)}${removedSuffix}`;
  await fs.rename(path, aside);
  await fs.syncDirectory(partitionsDirectory(directory));
  return aside;
}

/** Takes the files out of a directory that was set aside, which needs no space; its name stays until the checkpoint is without it. */
export async function emptyDirectory(fs: GuardedFileSystem, path: string): Promise<void> {
  for (const name of await fs.list(path)) await fs.removeFile(`${path}/${name}`);
}
