import { execFile } from 'node:child_process';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unpackDebianPackage } from '../fetch/debian-package.ts';
import { cacheOf, type Fetched, fetchedInto } from '../fetch/version-cache.ts';

const run = promisify(execFile);

const commandMs = 10_000;

/** The program in the cache, fetched where it is not there yet. Rejects where it can't be done. */
export const fetchEtcd = async (): Promise<string> => join(await fetchedInto(cacheOf('etcd'), fetch), 'etcd');

/** Of the package only the program is kept. Its version is what it says itself: packages count their own revisions, too. */
async function fetch(place: string): Promise<Fetched> {
  const unpacked = await unpackDebianPackage(place, 'etcd-server');
  const program = join(unpacked.folder, 'usr', 'bin', 'etcd');
  const { stdout } = await run(program, ['--version'], { timeout: commandMs });
  const version = /etcd Version: (\d\S*)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`what was downloaded is no etcd: ${stdout}`);
  const folder = join(place, 'ready');
  await mkdir(folder);
  await rename(program, join(folder, 'etcd'));
  return { version, folder };
}
