import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { failsWith, fileSystemContract, type MadeFileSystem } from '@moldau/testing/file-system-contract';
import test, { type ExecutionContext } from 'ava';
import { HostFileSystem } from '../src/host-file-system.ts';
import { MemoryFileSystem } from '../src/memory-file-system.ts';

async function makeHost(t: ExecutionContext): Promise<MadeFileSystem> {
  const root = await mkdtemp(join(tmpdir(), 'moldau-host-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  return { fs: new HostFileSystem(), root };
}

fileSystemContract<ExecutionContext>(test, 'host', makeHost);

fileSystemContract<ExecutionContext>(test, 'memory', async () => {
  const fs = new MemoryFileSystem(16 * 1024 * 1024);
  await fs.makeDirectory('/data');
  return { fs, root: '/data' };
});

test('a full memory disk refuses, and takes again when something was removed', async (t) => {
  const files = new MemoryFileSystem(10);
  await files.makeDirectory('/d');
  const a = await files.openAppend('/d/a');
  const b = await files.openAppend('/d/b');
  await a.append([new Uint8Array(8)]);
  await failsWith(t, 'ENOSPC', b.append([new Uint8Array(3)]));
  t.is(b.sizeBytes, 0);
  await files.removeFile('/d/a');
  await b.append([new Uint8Array(3)]);
  t.deepEqual(await files.space(), { freeBytes: 7, totalBytes: 10 });
});

test('a directory lock is freed when its process is killed', async (t) => {
  const { fs, root } = await makeHost(t);
  const holder = fileURLToPath(new URL('hold-lock.ts', import.meta.url));
  const child = spawn(process.execPath, [holder, root], { stdio: ['pipe', 'pipe', 'ignore'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  t.is(String(line).trim(), 'locked');
  t.is(await fs.lock(root), undefined);
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  const lock = await fs.lock(root);
  t.truthy(lock);
  await lock?.release();
});

test('a full disk of the system is ENOSPC', async (t) => {
  const file = await new HostFileSystem().openAppend('/dev/full');
  await failsWith(t, 'ENOSPC', file.append([new Uint8Array(1)]));
  await file.close();
});

test('what is no disk at all is EIO', async (t) => {
  const files = new HostFileSystem();
  await failsWith(t, 'EIO', files.openAppend('/dev/null/x'));
});

test('where no directory can be made, that is an error at once', async (t) => {
  const files = new HostFileSystem();
  await failsWith(t, 'ENOENT', files.makeDirectory('/proc/x'));
  await failsWith(t, 'ENOENT', files.makeDirectory('/proc/x/y/z'));
  const { fs, root } = await makeHost(t);
  await (await fs.openAppend(`${root}/file`)).close();
  await failsWith(t, 'EEXIST', fs.makeDirectory(`${root}/file`));
  await failsWith(t, 'EIO', fs.makeDirectory(`${root}/file/d`));
});
