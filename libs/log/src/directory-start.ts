import { type DirectoryLock, FileError, type FileSystem, StartError } from '@moldau/kernel';
import { type Checkpoint, readCheckpoint } from './checkpoint-file.ts';
import { readCleanMarker, removeCleanMarker } from './clean-marker.ts';
import type { DirectoryOptions } from './directory-options.ts';
import type { GuardedFileSystem } from './guarded-file-system.ts';
import { checkNodeIdentity, type NodeIdentity, readNodeIdentity } from './node-identity.ts';
import { type FoundDirectories, listPartitionDirectories, partitionsDirectory } from './partition-directories.ts';
import { directoryOf } from './small-files.ts';

/** What a data directory says about itself before its partitions are looked at. */
export interface DirectoryStart {
  readonly identity: NodeIdentity | undefined;
  readonly checkpoint: Checkpoint | undefined;
  /** Closed in order: nothing needs to be scanned. */
  readonly clean: boolean;
  /** Nothing was lost with the page cache. */
  readonly sameBoot: boolean;
  readonly found: FoundDirectories;
}

/** Written, if that still works, when the directory has failed: then the page cache proves nothing. */
export const failedMarkerPath = (directory: string): string => `${directory}/io-failed`;

export async function lockDirectory(fs: FileSystem, path: string): Promise<DirectoryLock> {
  await fs.makeDirectory(path);
  const lock = await fs.lock(path);
  if (lock !== undefined) return lock;
  throw new StartError(`${path} is in use by another process: stop that one, or use another directory`);
}

/** Reads what there is, refuses what is not ours, and takes the clean marker away: from now on things may be written. */
export async function startDirectory(fs: GuardedFileSystem, options: DirectoryOptions): Promise<DirectoryStart> {
  const { path } = options;
  const names = await fs.list(path);
  const identity = await readNodeIdentity(fs, path);
  if (identity !== undefined) checkNodeIdentity(path, identity, options);
  const isNew = !names.includes('partitions');
  if (isNew) {
    await fs.makeDirectory(partitionsDirectory(path));
    await fs.syncDirectory(path);
    await fs.syncDirectory(directoryOf(path));
  }
  const found = await listPartitionDirectories(fs, path);
  if (identity === undefined && found.keys.length > 0) {
    throw new StartError(
      `${path} holds partitions and no node.json: restore it (cluster id and node id), or empty the directory`,
    );
  }
  const checkpoint = await readCheckpoint(fs, `${path}/checkpoint`);
  const marker = await readCleanMarker(fs, path);
  const clean = checkpoint !== undefined && marker === checkpoint.writeNumber;
  const hasFailed = names.includes('io-failed');
  await removeCleanMarker(fs, path);
  return { identity, checkpoint, clean, sameBoot: checkpoint?.bootId === options.bootId && !hasFailed, found };
}

/** Turns what the disk says into what a person can do. */
export function asStartError(path: string, error: unknown): unknown {
  if (!(error instanceof FileError)) return error;
  const advice = error.code === 'ENOSPC' ? 'free some space' : 'check the disk, or let the node start without it';
  return new StartError(`${path} can't be opened (${error.message}): ${advice}`, { cause: error });
}
