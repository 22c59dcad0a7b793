import { FileError, type FileErrorCode, type FileSystem } from '@moldau/kernel';
import { type Assertions, rejection } from './assertions.ts';

/** A file system for one test: `root` is an empty directory on it. */
export interface MadeFileSystem {
  readonly fs: FileSystem;
  readonly root: string;
}

type Check = (title: string, run: (t: Assertions, fs: FileSystem, root: string) => Promise<void>) => void;

/**
 * What every file system promises while nothing fails and nobody crashes, as tests under `name`. `make` takes away what
 * it made with the test's teardown.
 */
export function fileSystemContract<T extends Assertions>(
  test: (title: string, run: (t: T) => Promise<void>) => void,
  name: string,
  make: (t: T) => Promise<MadeFileSystem>,
): void {
  const check: Check = (title, run) =>
    test(`${name}: ${title}`, async (t) => {
      const { fs, root } = await make(t);
      await run(t, fs, root);
    });
  appends(check);
  truncations(check);
  reads(check);
  names(check);
  missing(check);
  directories(check);
}

/** The operation is rejected with a FileError of this code. */
export async function failsWith(t: Assertions, code: FileErrorCode, operation: Promise<unknown>): Promise<void> {
  const error = await rejection(operation);
  t.is(error instanceof FileError ? error.code : error, code);
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function write(fs: FileSystem, path: string, text: string): Promise<void> {
  const file = await fs.openAppend(path);
  await file.append([bytes(text)]);
  await file.close();
}

async function read(fs: FileSystem, path: string): Promise<string> {
  const file = await fs.openRead(path);
  const target = new Uint8Array(await file.size());
  const got = await file.read(0, target);
  await file.close();
  return new TextDecoder().decode(target.subarray(0, got));
}

function appends(check: Check): void {
  check('appends gather chunks, and go on where the file ends', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    t.is(file.sizeBytes, 0);
    await file.append([bytes('one '), bytes(''), bytes('two ')]);
    t.is(file.sizeBytes, 8);
    await file.sync();
    await file.close();
    const again = await fs.openAppend(`${root}/a`);
    t.is(again.sizeBytes, 8);
    await again.append([bytes('three')]);
    await again.close();
    t.is(await read(fs, `${root}/a`), 'one two three');
  });

  check('an append of nothing changes nothing', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    await file.append([]);
    await file.append([new Uint8Array(0)]);
    t.is(file.sizeBytes, 0);
    await file.close();
  });

  check('more chunks than one gathering write takes arrive in order', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    const chunks = Array.from({ length: 3000 }, (_, i) => bytes(`${i},`.padStart(500)));
    await file.append(chunks);
    t.is(file.sizeBytes, 1_500_000);
    await file.close();
    t.is(await read(fs, `${root}/a`), new TextDecoder().decode(Buffer.concat(chunks)));
  });

  check('large appends arrive whole', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    const chunk = new Uint8Array(3_000_000).map((_, i) => i % 251);
    await file.append([chunk, chunk]);
    t.is(file.sizeBytes, 6_000_000);
    await file.close();
    const reader = await fs.openRead(`${root}/a`);
    const target = new Uint8Array(3_000_000);
    t.is(await reader.read(3_000_000, target), 3_000_000);
    t.is(Buffer.compare(target, chunk), 0);
    await reader.close();
  });

  check('a file that was closed is not read by mistake', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    await file.append([bytes('a')]);
    await file.close();
    const reader = await fs.openRead(`${root}/a`);
    await reader.close();
    const refused = await reader.read(0, new Uint8Array(1)).then(
      () => undefined,
      (error: unknown) => error,
    );
    t.true(refused instanceof FileError);
  });

  check('a sync may overlap appends', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    await file.append([bytes('a')]);
    const syncing = file.sync();
    await file.append([bytes('b')]);
    await syncing;
    await file.close();
    t.is(await read(fs, `${root}/a`), 'ab');
  });
}

function truncations(check: Check): void {
  check('a truncated file ends there, and appends go on from there', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    await file.append([new Uint8Array(600_000).fill(0x2e)]);
    await file.truncate(2);
    t.is(file.sizeBytes, 2);
    await file.append([bytes('x')]);
    await file.sync();
    await file.close();
    t.is(await read(fs, `${root}/a`), '..x');
  });

  check('a truncated file has its new size when it is opened again', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    await file.append([bytes('0123456789')]);
    await file.truncate(4);
    await file.close();
    const again = await fs.openAppend(`${root}/a`);
    t.is(again.sizeBytes, 4);
    await again.close();
  });
}

function reads(check: Check): void {
  check('reads go by position, overlap, and end with the file', async (t, fs, root) => {
    await write(fs, `${root}/a`, '0123456789');
    const file = await fs.openRead(`${root}/a`);
    const [first, second] = [new Uint8Array(4), new Uint8Array(4)];
    t.deepEqual(await Promise.all([file.read(2, first), file.read(8, second)]), [4, 2]);
    t.deepEqual([first, second], [bytes('2345'), bytes('89\0\0')]);
    t.is(await file.read(10, first), 0);
    t.is(await file.read(1000, first), 0);
    t.is(await file.size(), 10);
    await file.close();
  });

  check('a reader sees what is appended behind its back', async (t, fs, root) => {
    await write(fs, `${root}/a`, 'one');
    const reader = await fs.openRead(`${root}/a`);
    await write(fs, `${root}/a`, 'two');
    t.is(await reader.size(), 6);
    const target = new Uint8Array(3);
    t.is(await reader.read(3, target), 3);
    t.deepEqual(target, bytes('two'));
    await reader.close();
  });

  check('an open file can be read after its name is gone', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    await file.append([bytes('one')]);
    const reader = await fs.openRead(`${root}/a`);
    await fs.removeFile(`${root}/a`);
    const target = new Uint8Array(3);
    t.is(await reader.read(0, target), 3);
    t.deepEqual(target, bytes('one'));
    await reader.close();
    await file.close();
  });
}

function names(check: Check): void {
  check('directories are made with their parents, and listed in order', async (t, fs, root) => {
    await fs.makeDirectory(`${root}/d/e/f`);
    await fs.makeDirectory(`${root}/d/e/f`);
    for (const name of ['b', 'a', 'c']) await write(fs, `${root}/d/${name}`, name);
    t.deepEqual(await fs.list(`${root}/d`), ['a', 'b', 'c', 'e']);
    t.deepEqual(await fs.list(`${root}/d/e/f`), []);
    await fs.syncDirectory(`${root}/d`);
  });

  check('a rename replaces a file', async (t, fs, root) => {
    await write(fs, `${root}/a`, 'new');
    await write(fs, `${root}/b`, 'old');
    await fs.rename(`${root}/a`, `${root}/b`);
    t.is(await read(fs, `${root}/b`), 'new');
    t.deepEqual(await fs.list(root), ['b']);
  });

  check('a rename moves a directory with everything in it', async (t, fs, root) => {
    await fs.makeDirectory(`${root}/d/deep`);
    await write(fs, `${root}/d/a`, 'kept');
    await write(fs, `${root}/d/deep/b`, 'kept too');
    await fs.rename(`${root}/d`, `${root}/e`);
    t.deepEqual(await fs.list(root), ['e']);
    t.deepEqual(await fs.list(`${root}/e`), ['a', 'deep']);
    t.is(await read(fs, `${root}/e/a`), 'kept');
    t.is(await read(fs, `${root}/e/deep/b`), 'kept too');
  });

  check('removing is no error when it is done already', async (t, fs, root) => {
    await write(fs, `${root}/a`, 'a');
    await fs.removeFile(`${root}/a`);
    await fs.removeFile(`${root}/a`);
    await fs.makeDirectory(`${root}/d/e`);
    await write(fs, `${root}/d/e/a`, 'a');
    await fs.removeDirectory(`${root}/d`);
    await fs.removeDirectory(`${root}/d`);
    t.deepEqual(await fs.list(root), []);
  });
}

function missing(check: Check): void {
  check('what is not there is ENOENT', async (t, fs, root) => {
    await failsWith(t, 'ENOENT', fs.openRead(`${root}/none`));
    await failsWith(t, 'ENOENT', fs.list(`${root}/none`));
    await failsWith(t, 'ENOENT', fs.openAppend(`${root}/none/a`));
    await failsWith(t, 'ENOENT', fs.rename(`${root}/none`, `${root}/some`));
    await failsWith(t, 'ENOENT', fs.syncDirectory(`${root}/none`));
  });
}

function directories(check: Check): void {
  check('space is finite', async (t, fs, root) => {
    const { freeBytes, totalBytes } = await fs.space(root);
    t.true(freeBytes > 0 && freeBytes <= totalBytes);
  });

  check('a directory is locked by one, and free again afterwards', async (t, fs, root) => {
    const lock = await fs.lock(root);
    t.true(lock !== undefined);
    t.is(await fs.lock(root), undefined);
    await lock?.release();
    const again = await fs.lock(root);
    t.true(again !== undefined);
    await again?.release();
  });
}
