import { FileError, type FileSystem } from '@moldau/kernel';

// Small files are replaced whole: written aside, synced, renamed, and the name synced. A crash leaves the old or the new.

const asideSuffix = '.tmp';

/** Where a file is written before it takes its place. */
export const asideOf = (path: string): string => path + asideSuffix;

/** What a crash may have left of a replacement: to be removed. */
export const isLeftover = (name: string): boolean => name.endsWith(asideSuffix);

/** The directory of a path. */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, slash) || '/';
}

/** Replaces a file; it survives power loss once this resolves. */
export async function replaceFile(fs: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  await writeAside(fs, path, bytes, true);
  await fs.rename(asideOf(path), path);
  await fs.syncDirectory(directoryOf(path));
}

/** Replaces a file that can be rebuilt: nothing is synced, so a crash may leave it torn, which its CRC tells. */
export async function replaceRebuildable(fs: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  await writeAside(fs, path, bytes, false);
  await fs.rename(asideOf(path), path);
}

/** The whole file, or undefined when there is none. */
export async function readFile(fs: FileSystem, path: string): Promise<Uint8Array | undefined> {
  const file = await openIfThere(fs, path);
  if (file === undefined) return undefined;
  try {
    const bytes = new Uint8Array(await file.size());
    const got = await file.read(0, bytes);
    return bytes.subarray(0, got);
  } finally {
    await file.close();
  }
}

/** The JSON object in a file; undefined when there is no file; 'bad' when it is no JSON object. */
export async function readJson(fs: FileSystem, path: string): Promise<Record<string, unknown> | undefined | 'bad'> {
  const bytes = await readFile(fs, path);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === 'object' && value !== null ? { ...value } : 'bad';
  } catch {
    return 'bad';
  }
}

export const toJson = (value: Record<string, unknown>): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`);

async function openIfThere(fs: FileSystem, path: string) {
  try {
    return await fs.openRead(path);
  } catch (error) {
    if (error instanceof FileError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeAside(fs: FileSystem, path: string, bytes: Uint8Array, sync: boolean): Promise<void> {
  const file = await fs.openAppend(asideOf(path));
  try {
    if (file.sizeBytes > 0) await file.truncate(0);
    await file.append([bytes]);
    if (sync) await file.sync();
  } finally {
    await file.close();
  }
}
