import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackDebianPackage } from '@moldau/testing/fetch/debian-package';
import { cacheOf, fetchedInto } from '@moldau/testing/fetch/version-cache';
import { NotHere } from '../systems/system.ts';

/** A package of Debian's, unpacked with what it needs. */
export interface DebianServer {
  readonly version: string;
  readonly root: string;
  /** For its processes: where their libraries are. */
  readonly env: { readonly LD_LIBRARY_PATH: string };
}

/** Fetches a package, or finds it in the cache. Throws {@link NotHere}. */
export async function debianServer(name: string): Promise<DebianServer> {
  try {
    const root = await fetchedInto(cacheOf(name), (place) => unpackDebianPackage(place, name));
    return { version: root.slice(root.lastIndexOf('/') + 1), root, env: { LD_LIBRARY_PATH: await librariesIn(root) } };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.trim() : String(cause);
    throw new NotHere(`${name} can't be fetched by apt-get from the packages of Debian. ${reason}`, { cause });
  }
}

/** Debian keeps them in a folder for each kind of machine. */
async function librariesIn(root: string): Promise<string> {
  const folders = [join(root, 'lib'), join(root, 'usr', 'lib')];
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(folder).catch(() => []);
      return names.filter((name) => name.includes('-linux-')).map((name) => join(folder, name));
    }),
  );
  return [...folders, ...found.flat()].join(':');
}
