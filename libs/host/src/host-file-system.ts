import { fstat, open } from 'node:fs';
import { mkdir, open as openHandle, readdir, rename, rm, statfs, stat as status } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { AppendFile, DirectoryLock, FileSystem, ReadFile } from '@moldau/kernel';
import { lockDirectory } from './directory-lock.ts';
import { onPath } from './file-errors.ts';
import { HostAppendFile, HostReadFile } from './host-files.ts';

const openFile = promisify(open);
const stat = promisify(fstat);

/** The disk of this machine. */
export class HostFileSystem implements FileSystem {
  openAppend(path: string): Promise<AppendFile> {
    return onPath(path, async () => {
      const fd = await openFile(path, 'a', 0o640);
      return new HostAppendFile(path, fd, (await stat(fd)).size);
    });
  }

  openRead(path: string): Promise<ReadFile> {
    return onPath(path, async () => new HostReadFile(path, await openFile(path, 'r')));
  }

  list(directory: string): Promise<string[]> {
    return onPath(directory, async () => (await readdir(directory)).sort());
  }

  makeDirectory(path: string): Promise<void> {
    return onPath(path, () => makeWithParents(path));
  }

  rename(from: string, to: string): Promise<void> {
    return onPath(from, () => rename(from, to));
  }

  removeFile(path: string): Promise<void> {
    return onPath(path, () => rm(path, { force: true }));
  }

  removeDirectory(path: string): Promise<void> {
    return onPath(path, () => rm(path, { recursive: true, force: true }));
  }

  syncDirectory(path: string): Promise<void> {
    return onPath(path, async () => {
      const handle = await openHandle(path, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  }

  space(directory: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return onPath(directory, async () => {
      const { bavail, blocks, bsize } = await statfs(directory);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    });
  }

  lock(directory: string): Promise<DirectoryLock | undefined> {
    return onPath(directory, async () => lockDirectory(directory));
  }
}

/** Not `mkdir` with `recursive`: where a file system takes no new directories, as /proc, that one tries for ever. */
async function makeWithParents(path: string): Promise<void> {
  const parent = dirname(path);
  try {
    await makeOne(path);
  } catch (error) {
    if (!isMissing(error) || parent === path) throw error;
    await makeWithParents(parent);
    await makeOne(path);
  }
}

async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o750 });
  } catch (error) {
    const isThere = (await status(path).catch(() => undefined))?.isDirectory() === true;
    if (!isThere) throw error;
  }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';
