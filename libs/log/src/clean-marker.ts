import { ByteWriter, seal, unseal } from './binary.ts';
import type { GuardedFileSystem } from './guarded-file-system.ts';
import { readFile, replaceFile } from './small-files.ts';

// clean-shutdown, version 1, kind MLCS, sealed: number of the last checkpoint write i64.
// It stands only while nothing is written: removed, durably, before the first change.

const kind = 'MLCS';
const version = 1;
const pathOf = (directory: string): string => `${directory}/clean-shutdown`;

export async function writeCleanMarker(fs: GuardedFileSystem, directory: string, writeNumber: bigint): Promise<void> {
  await replaceFile(fs, pathOf(directory), seal(kind, version, new ByteWriter().i64(writeNumber).finish()));
}

/** The checkpoint write that the marker vouches for; undefined when the directory was not closed in order. */
export async function readCleanMarker(fs: GuardedFileSystem, directory: string): Promise<bigint | undefined> {
  const bytes = await readFile(fs, pathOf(directory));
  const unsealed = bytes && unseal(kind, version, bytes);
  return unsealed?.kind === 'ok' ? unsealed.payload.i64() : undefined;
}

export async function removeCleanMarker(fs: GuardedFileSystem, directory: string): Promise<void> {
  await fs.removeFile(pathOf(directory));
  await fs.syncDirectory(directory);
}
