import { FileError, type FileErrorCode, type FileSystem } from '@moldau/kernel';
import type { ExecutionContext, TestFn } from 'ava';

/** Makes a file system and an empty directory in it. */
export type MakeDisk = (t: ExecutionContext) => Promise<{ files: FileSystem; root: string }>;

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

/** What the port promises while the machine runs. */
export function fileSystemSuite(test: TestFn, name: string, make: MakeDisk): void {
  test(`${name}: what is appended is read, over any number of chunks`, async (t) => {
    const { files, root } = await make(t);
    const file = await files.openAppend(`${root}/a`);
    t.is(file.sizeBytes, 0);
    await file.append([bytes(1, 2), bytes(), bytes(3)]);
    await file.append(Array.from({ length: 3000 }, (_, n) => new Uint8Array(500).fill(n)));
    t.is(file.sizeBytes, 1_500_003);
    await file.sync();
    await file.close();
    const again = await files.openRead(`${root}/a`);
    t.is(await again.size(), 1_500_003);
    const target = new Uint8Array(8);
    t.is(await again.read(1, target), 8);
    t.deepEqual([...target], [2, 3, 0, 0, 0, 0, 0, 0]);
    t.is(await again.read(3 + 500 * 2999, target), 8);
    t.deepEqual([...target], Array(8).fill(2999 % 256));
    t.is(await again.read(1_500_000, target), 3);
    t.is(await again.read(2_000_000, target), 0);
    await again.close();
  });

  test(`${name}: a file opened again goes on at its end`, async (t) => {
    const { files, root } = await make(t);
    const first = await files.openAppend(`${root}/a`);
    await first.append([bytes(1, 2, 3)]);
    await first.close();
    const second = await files.openAppend(`${root}/a`);
    t.is(second.sizeBytes, 3);
    await second.append([bytes(4)]);
    await second.close();
    t.deepEqual(await contents(files, `${root}/a`), [1, 2, 3, 4]);
  });

  test(`${name}: a truncated file is appended to at its new end`, async (t) => {
    const { files, root } = await make(t);
    const file = await files.openAppend(`${root}/a`);
    await file.append([new Uint8Array(600_000).fill(1)]);
    await file.truncate(2);
    t.is(file.sizeBytes, 2);
    await file.append([bytes(9)]);
    await file.sync();
    await file.close();
    t.deepEqual(await contents(files, `${root}/a`), [1, 1, 9]);
  });

  test(`${name}: names are listed, renamed and removed`, async (t) => {
    const { files, root } = await make(t);
    await files.makeDirectory(`${root}/d/e`);
    await files.makeDirectory(`${root}/d/e`);
    for (const path of ['b', 'a', 'd/x', 'd/e/y']) await (await files.openAppend(`${root}/${path}`)).close();
    t.deepEqual(await files.list(root), ['a', 'b', 'd']);
    await files.rename(`${root}/a`, `${root}/b`);
    t.deepEqual(await files.list(root), ['b', 'd']);
    await files.rename(`${root}/d`, `${root}/f`);
    t.deepEqual(await files.list(`${root}/f`), ['e', 'x']);
    t.deepEqual(await files.list(`${root}/f/e`), ['y']);
    await files.syncDirectory(root);
    await files.removeFile(`${root}/b`);
    await files.removeFile(`${root}/b`);
    await files.removeDirectory(`${root}/f`);
    await files.removeDirectory(`${root}/f`);
    t.deepEqual(await files.list(root), []);
  });

  test(`${name}: what is not there is ENOENT`, async (t) => {
    const { files, root } = await make(t);
    await fails(t, 'ENOENT', files.openRead(`${root}/a`));
    await fails(t, 'ENOENT', files.list(`${root}/d`));
    await fails(t, 'ENOENT', files.openAppend(`${root}/d/a`));
    await fails(t, 'ENOENT', files.rename(`${root}/a`, `${root}/b`));
    await fails(t, 'ENOENT', files.syncDirectory(`${root}/d`));
  });

  test(`${name}: an open file outlives its name`, async (t) => {
    const { files, root } = await make(t);
    const file = await files.openAppend(`${root}/a`);
    await file.append([bytes(1, 2)]);
    const reader = await files.openRead(`${root}/a`);
    await files.removeFile(`${root}/a`);
    const target = new Uint8Array(2);
    t.is(await reader.read(0, target), 2);
    t.deepEqual([...target], [1, 2]);
    await reader.close();
    await file.close();
  });

  test(`${name}: a directory is locked once`, async (t) => {
    const { files, root } = await make(t);
    const lock = await files.lock(root);
    t.truthy(lock);
    t.is(await files.lock(root), undefined);
    await lock?.release();
    const again = await files.lock(root);
    t.truthy(again);
    await again?.release();
  });

  test(`${name}: space is finite`, async (t) => {
    const { files, root } = await make(t);
    const { freeBytes, totalBytes } = await files.space(root);
    t.true(freeBytes > 0 && freeBytes <= totalBytes);
  });
}

export async function fails(t: ExecutionContext, code: FileErrorCode, promise: Promise<unknown>): Promise<void> {
  const error = await t.throwsAsync(promise, { instanceOf: FileError });
  t.is(error?.code, code);
}

async function contents(files: FileSystem, path: string): Promise<number[]> {
  const file = await files.openRead(path);
  const target = new Uint8Array(await file.size());
  await file.read(0, target);
  await file.close();
  return [...target];
}
