import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { HostFileSystem } from '@moldau/host';
import { StartError } from '@moldau/kernel';

// What `moldau dev` keeps in its directory: the store's files, and a directory for each node.
const ours = /^(metadata\.sqlite(-journal|-wal|-shm)?|node-\d+)$/;

/** What stands where data is to be kept. */
export interface DevDirectory {
  readonly path: string;
  readonly state: 'absent' | 'empty' | 'ours';
}

/** Looks, and changes nothing. Throws a StartError for what is not a data directory of `moldau dev`. */
export async function lookAt(path: string): Promise<DevDirectory> {
  const names = await namesIn(path);
  if (names === undefined) return { path, state: 'absent' };
  if (names.length === 0) return { path, state: 'empty' };
  const foreign = names.filter((name) => !ours.test(name));
  if (foreign.length === 0) return { path, state: 'ours' };
  const shown = foreign.slice(0, 3).join(', ') + (foreign.length > 3 ? ', …' : '');
  throw new StartError(`${path} holds files that are not Moldau's (${shown}): use an empty or a new directory`);
}

/** Makes the directory and what is missing above it. Throws a StartError. */
export async function make(path: string): Promise<void> {
  const missing: string[] = [];
  let above = resolve(path);
  for (; !(await exists(above)); above = dirname(above)) missing.unshift(above);
  // One by one: where nothing can be made, such as in /proc, Node's recursive mkdir never returns.
  for (const directory of missing) {
    try {
      await mkdir(directory, { mode: 0o750 });
    } catch (error) {
      throw new StartError(`${directory} can't be made (${messageOf(error)}): use a directory that can be written`);
    }
  }
}

/** Removes a data directory with everything in it. Throws a StartError when a process uses it. */
export async function remove(path: string): Promise<void> {
  const fs = new HostFileSystem();
  for (const name of (await namesIn(path)) ?? []) {
    if (!name.startsWith('node-')) continue;
    const lock = await fs.lock(join(path, name));
    if (lock === undefined) throw new StartError(`${path} is in use by another process: stop that one first`);
    await lock.release();
  }
  await fs.removeDirectory(path);
}

async function namesIn(path: string): Promise<string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return undefined;
    if (code === 'ENOTDIR') throw new StartError(`${path} is a file: use a directory`);
    throw new StartError(`${path} can't be read (${messageOf(error)}): use another directory`);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
