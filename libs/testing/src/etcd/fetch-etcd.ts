import { execFile } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { HostFileSystem } from '@moldau/host';

const run = promisify(execFile);

/** A machine without a network says so sooner. */
const commandMs = 120_000;
const lockRetryMs = 100;

/** Where what was fetched is kept, one folder a version. */
export const etcdCache = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'moldau', 'etcd');

/** The newest program in a cache. `undefined`: it has none. */
export async function cachedEtcd(cache: string): Promise<string | undefined> {
  const entries = await readdir(cache).catch(() => []);
  const versions = entries.filter((name) => /^\d/.test(name));
  const newest = versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  return newest === undefined ? undefined : join(cache, newest, 'etcd');
}

/**
 * Fetches the program from the packages of Debian or a relative of it. Nobody has to be root: apt writes in a folder of
 * its own. Whoever comes while another process fetches waits for that one. Rejects where it can't be done.
 */
export async function fetchEtcd(cache: string): Promise<string> {
  await mkdir(cache, { recursive: true });
  const disk = new HostFileSystem();
  let lock = await disk.lock(cache);
  while (lock === undefined) {
    await sleep(lockRetryMs);
    lock = await disk.lock(cache);
  }
  try {
    return (await cachedEtcd(cache)) ?? (await download(cache));
  } finally {
    await lock.release();
  }
}

const unfinished = '.fetch-';

async function download(cache: string): Promise<string> {
  // Left behind by a process that was killed: the lock says that nobody is at it.
  for (const name of await readdir(cache)) {
    if (name.startsWith(unfinished)) await rm(join(cache, name), { recursive: true, force: true });
  }
  const place = await mkdtemp(join(cache, unfinished));
  try {
    await mkdir(join(place, 'lists', 'partial'), { recursive: true });
    await mkdir(join(place, 'cache', 'archives', 'partial'), { recursive: true });
    const options = [
      `Dir::State::lists=${place}/lists`,
      `Dir::Cache=${place}/cache`,
      // As root, apt would hand the download to a user who may not write here.
      'APT::Sandbox::User=root',
    ].flatMap((option) => ['-o', option]);
    const command = { cwd: place, timeout: commandMs };
    // One source among many that does not answer is no reason to give up.
    await run('apt-get', [...options, 'update'], command).catch(() => undefined);
    await run('apt-get', [...options, 'download', 'etcd-server'], command);
    const archive = (await readdir(place)).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get has downloaded nothing');
    await run('dpkg', ['-x', archive, 'root'], command);
    return await install(cache, place);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** Renamed as a whole, so that nobody meets half of it. */
async function install(cache: string, place: string): Promise<string> {
  const unpacked = join(place, 'root', 'usr', 'bin', 'etcd');
  const { stdout } = await run(unpacked, ['--version'], { timeout: commandMs });
  const version = /etcd Version: (\d\S*)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`what was downloaded is no etcd: ${stdout}`);
  await mkdir(join(place, 'ready'));
  await rename(unpacked, join(place, 'ready', 'etcd'));
  await rename(join(place, 'ready'), join(cache, version));
  return join(cache, version, 'etcd');
}

/** The program of that name on the PATH. */
export async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const program = join(folder, name);
    const found = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (folder !== '' && found) return program;
  }
  return undefined;
}
