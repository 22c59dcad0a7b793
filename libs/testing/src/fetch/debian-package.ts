import { execFile } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Fetched } from './version-cache.ts';

const run = promisify(execFile);

/** A machine without a network says so sooner. */
const commandMs = 120_000;

/**
 * Unpacks a package of Debian or a relative of it, with those of its dependencies that this machine lacks, below `place`.
 * Nobody has to be root: apt writes in a folder of its own, and nothing is installed. Rejects where it can't be done.
 */
export async function unpackDebianPackage(place: string, name: string): Promise<Fetched> {
  await mkdir(join(place, 'lists', 'partial'), { recursive: true });
  await mkdir(join(place, 'cache', 'archives', 'partial'), { recursive: true });
  await mkdir(join(place, 'archives'));
  const options = [
    `Dir::State::lists=${place}/lists`,
    `Dir::Cache=${place}/cache`,
    // As root, apt would hand the download to a user who may not write here.
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  const apt = (args: readonly string[]): Promise<{ stdout: string }> =>
    run('apt-get', [...options, ...args], { cwd: join(place, 'archives'), timeout: commandMs });
  // One source among many that does not answer is no reason to give up.
  await apt(['update']).catch(() => undefined);
  // To ask where an installation would get its packages needs no rights, and takes no lock of the system.
  const plan = await apt(['install', '--reinstall', '--no-install-recommends', '--print-uris', '-qq', name]);
  await apt(['download', ...packagesOf(plan.stdout)]);
  const archives = await readdir(join(place, 'archives'));
  const version = archives.map((archive) => versionOf(archive, name)).find((found) => found !== undefined);
  if (version === undefined) throw new Error(`apt-get has not downloaded ${name}`);
  const folder = join(place, 'root');
  for (const archive of archives) {
    await run('dpkg', ['-x', join(place, 'archives', archive), folder], { timeout: commandMs });
  }
  return { version, folder };
}

/** Each as `name=version`, of lines like `'http://…' name_version_architecture.deb 1234 SHA256:…`. */
export function packagesOf(printedUris: string): string[] {
  return [...printedUris.matchAll(/^'[^']*' ([^\s_]+)_([^\s_]+)_[^\s_]+\.deb /gm)].map(
    ([, name, version]) => `${name}=${decodeURIComponent(version ?? '')}`,
  );
}

/** Without the epoch: it says nothing to people, and its colon would end a path in a list of paths. */
function versionOf(archive: string, name: string): string | undefined {
  if (!archive.startsWith(`${name}_`)) return undefined;
  return decodeURIComponent(archive.split('_')[1] ?? '').replace(/^\d+:/, '');
}
