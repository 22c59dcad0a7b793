import { FileError, type FileErrorCode, type FileSystem } from '@moldau/kernel';
import type { ExecutionContext, TestFn } from 'ava';

/** A file system for one test: `root` is an empty directory on it. */
export interface MadeFileSystem {
  readonly fs: FileSystem;
  readonly root: string;
  readonly dispose?: () => Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What every file system promises while nothing fails and nobody crashes. Declares its tests with ava. */
export function fileSystemContract(test: TestFn, make: () => Promise<MadeFileSystem>): void {
  const holds = (title: string, check: (t: ExecutionContext, fs: FileSystem, root: string) => Promise<void>): void => {
    test(`file system: ${title}`, async (t) => {
      const { fs, root, dispose } = await make();
      try {
        await check(t, fs, root);
      } finally {
        await dispose?.();
      }
    });
  };
  const write = async (fs: FileSystem, path: string, text: string): Promise<void> => {
    const file = await fs.openAppend(path);
    await file.append([bytes(text)]);
    await file.close();
  };
  const read = async (fs: FileSystem, path: string): Promise<string> => {
    const file = await fs.openRead(path);
    const target = new Uint8Array(await file.size());
    const got = await file.read(0, target);
    await file.close();
    return new TextDecoder().decode(target.subarray(0, got));
  };
  const failsWith = async (t: ExecutionContext, code: FileErrorCode, operation: Promise<unknown>): Promise<void> => {
    const error = await t.throwsAsync(operation, { instanceOf: FileError });
    t.is(error.code, code);
  };

  holds('appends gather chunks and go on where the file ends', async (t, fs, root) => {
    const path = `${root}/a`;
    const file = await fs.openAppend(path);
    t.is(file.sizeBytes, 0);
    await file.append([bytes('one '), bytes(''), bytes('two ')]);
    t.is(file.sizeBytes, 8);
    await file.sync();
    await file.close();
    const again = await fs.openAppend(path);
    t.is(again.sizeBytes, 8);
    await again.append([bytes('three')]);
    await again.close();
    t.is(await read(fs, path), 'one two three');
  });

  holds('an append of nothing changes nothing', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    await file.append([]);
    await file.append([new Uint8Array(0)]);
    t.is(file.sizeBytes, 0);
    await file.close();
  });

  holds('more chunks than one gathering write takes arrive in order', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    const chunks = Array.from({ length: 3000 }, (_, i) => bytes(`${i},`));
    await file.append(chunks);
    await file.close();
    t.is(await read(fs, `${root}/a`), Array.from({ length: 3000 }, (_, i) => `${i},`).join(''));
  });

  holds('large appends arrive whole', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    const chunk = new Uint8Array(3_000_000).map((_, i) => i & 0xff);
    await file.append([chunk, chunk]);
    t.is(file.sizeBytes, 6_000_000);
    await file.close();
    const reader = await fs.openRead(`${root}/a`);
    const target = new Uint8Array(3_000_000);
    t.is(await reader.read(3_000_000, target), 3_000_000);
    t.deepEqual(Buffer.compare(target, chunk), 0);
    await reader.close();
  });

  holds('a truncated file ends there, and appends go on from there', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    await file.append([bytes('0123456789')]);
    await file.truncate(4);
    t.is(file.sizeBytes, 4);
    await file.append([bytes('x')]);
    await file.sync();
    await file.close();
    t.is(await read(fs, `${root}/a`), '0123x');
  });

  holds('a sync may overlap appends', async (t, fs, root) => {
    const file = await fs.openAppend(`${root}/a`);
    await file.append([bytes('a')]);
    const syncing = file.sync();
    await file.append([bytes('b')]);
    await syncing;
    await file.close();
    t.is(await read(fs, `${root}/a`), 'ab');
  });

  holds('reads go by position, overlap, and end with the file', async (t, fs, root) => {
    await write(fs, `${root}/a`, '0123456789');
    const file = await fs.openRead(`${root}/a`);
    const [first, second] = [new Uint8Array(4), new Uint8Array(4)];
    t.deepEqual(await Promise.all([file.read(2, first), file.read(8, second)]), [4, 2]);
    t.deepEqual([first, second.subarray(0, 2)], [bytes('2345'), bytes('89')]);
    t.is(await file.read(10, first), 0);
    t.is(await file.read(1000, first), 0);
    t.is(await file.size(), 10);
    await file.close();
  });

  holds('a reader sees what is appended behind its back', async (t, fs, root) => {
    await write(fs, `${root}/a`, 'one');
    const reader = await fs.openRead(`${root}/a`);
    await write(fs, `${root}/a`, 'two');
    t.is(await reader.size(), 6);
    await reader.close();
  });

  holds('an open file can be read after its name is gone', async (t, fs, root) => {
    await write(fs, `${root}/a`, 'one');
    const reader = await fs.openRead(`${root}/a`);
    await fs.removeFile(`${root}/a`);
    t.is(await reader.read(0, new Uint8Array(3)), 3);
    await reader.close();
  });

  holds('what is not there is ENOENT', async (t, fs, root) => {
    await failsWith(t, 'ENOENT', fs.openRead(`${root}/none`));
    await failsWith(t, 'ENOENT', fs.list(`${root}/none`));
    await failsWith(t, 'ENOENT', fs.openAppend(`${root}/none/a`));
    await failsWith(t, 'ENOENT', fs.rename(`${root}/none`, `${root}/some`));
  });

  holds('directories are made with their parents, and listed in order', async (t, fs, root) => {
    await fs.makeDirectory(`${root}/d/e/f`);
    await fs.makeDirectory(`${root}/d/e/f`);
    for (const name of ['b', 'a', 'c']) await write(fs, `${root}/d/${name}`, name);
    t.deepEqual(await fs.list(`${root}/d`), ['a', 'b', 'c', 'e']);
    t.deepEqual(await fs.list(`${root}/d/e/f`), []);
    await fs.syncDirectory(`${root}/d`);
  });

  holds('a rename replaces a file', async (t, fs, root) => {
    await write(fs, `${root}/a`, 'new');
    await write(fs, `${root}/b`, 'old');
    await fs.rename(`${root}/a`, `${root}/b`);
    t.is(await read(fs, `${root}/b`), 'new');
    t.deepEqual(await fs.list(root), ['b']);
  });

  holds('a rename moves a directory with what is in it', async (t, fs, root) => {
    await fs.makeDirectory(`${root}/d`);
    await write(fs, `${root}/d/a`, 'kept');
    await fs.rename(`${root}/d`, `${root}/e`);
    t.is(await read(fs, `${root}/e/a`), 'kept');
    t.deepEqual(await fs.list(root), ['e']);
  });

  holds('removing is no error when it is done already', async (t, fs, root) => {
    await write(fs, `${root}/a`, 'a');
    await fs.removeFile(`${root}/a`);
    await fs.removeFile(`${root}/a`);
    await fs.makeDirectory(`${root}/d/e`);
    await write(fs, `${root}/d/e/a`, 'a');
    await fs.removeDirectory(`${root}/d`);
    await fs.removeDirectory(`${root}/d`);
    t.deepEqual(await fs.list(root), []);
  });

  holds('space is told', async (t, fs, root) => {
    const { freeBytes, totalBytes } = await fs.space(root);
    t.true(freeBytes > 0 && freeBytes <= totalBytes);
  });

  holds('a directory is locked by one, and free again afterwards', async (t, fs, root) => {
    const lock = await fs.lock(root);
    t.truthy(lock);
    t.is(await fs.lock(root), undefined);
    await lock?.release();
    const again = await fs.lock(root);
    t.truthy(again);
    await again?.release();
  });
}
