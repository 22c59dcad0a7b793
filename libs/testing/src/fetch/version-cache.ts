import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostFileSystem } from '@moldau/host';

/** What was fetched, complete. */
export interface Fetched {
  readonly version: string;
  readonly folder: string;
}

const lockRetryMs = 100;
const unfinished = '.fetch-';

/** Where what was fetched is kept, one folder a version. */
export const cacheOf = (name: string): string =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'moldau', name);

/** The folder of the newest version in a cache, or of the only one that will do. `undefined`: it has none. */
export async function newestIn(cache: string, only?: string): Promise<string | undefined> {
  const entries = await readdir(cache).catch(() => []);
  const versions = entries.filter((name) => /^\d/.test(name) && (only ?? name) === name);
  const newest = versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  return newest === undefined ? undefined : join(cache, newest);
}

/**
 * The folder of the newest version in a cache, or of the only one that will do; where it has none, `fetch` makes one
 * inside a place of its own. Whoever comes while another process fetches waits for that one.
 */
export async function fetchedInto(
  cache: string,
  fetch: (place: string) => Promise<Fetched>,
  only?: string,
): Promise<string> {
  const present = await newestIn(cache, only);
  if (present !== undefined) return present;
  await mkdir(cache, { recursive: true });
  const disk = new HostFileSystem();
  let lock = await disk.lock(cache);
  while (lock === undefined) {
    await sleep(lockRetryMs);
    lock = await disk.lock(cache);
  }
  try {
    return (await newestIn(cache, only)) ?? (await fetchLocked(cache, fetch));
  } finally {
    await lock.release();
  }
}

async function fetchLocked(cache: string, fetch: (place: string) => Promise<Fetched>): Promise<string> {
  // Left behind by a process that was killed: the lock says that nobody is at it.
  for (const name of await readdir(cache)) {
    if (name.startsWith(unfinished)) await rm(join(cache, name), { recursive: true, force: true });
  }
  const place = await mkdtemp(join(cache, unfinished));
  try {
    const { version, folder } = await fetch(place);
    // Renamed as a whole, so that nobody meets half of it.
    await rename(folder, join(cache, version));
    return join(cache, version);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}
