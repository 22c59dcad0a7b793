import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { HostFileSystem } from '../src/host-file-system.ts';
import { MemoryFileSystem } from '../src/memory-file-system.ts';
import { fails, fileSystemSuite, type MakeDisk } from './file-system-suite.ts';

const makeHost: MakeDisk = async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'moldau-host-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  return { files: new HostFileSystem(), root };
};

fileSystemSuite(test, 'host', makeHost);

fileSystemSuite(test, 'memory', async () => {
  const files = new MemoryFileSystem(16 * 1024 * 1024);
  await files.makeDirectory('/data');
  return { files, root: '/data' };
});

test('a full memory disk refuses, and takes again when something was removed', async (t) => {
  const files = new MemoryFileSystem(10);
  await files.makeDirectory('/d');
  const a = await files.openAppend('/d/a');
  const b = await files.openAppend('/d/b');
  await a.append([new Uint8Array(8)]);
  await fails(t, 'ENOSPC', b.append([new Uint8Array(3)]));
  t.is(b.sizeBytes, 0);
  await files.removeFile('/d/a');
  await b.append([new Uint8Array(3)]);
  t.deepEqual(await files.space(), { freeBytes: 7, totalBytes: 10 });
});

test('a directory lock is freed when its process is killed', async (t) => {
  const { files, root } = await makeHost(t);
  const source = `
    import { HostFileSystem } from '${new URL('../src/host-file-system.ts', import.meta.url).href}';
    const lock = await new HostFileSystem().lock(${JSON.stringify(root)});
    console.log(lock === undefined ? 'busy' : 'locked');
    process.stdin.resume();
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['pipe', 'pipe', 'ignore'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  t.is(String(line).trim(), 'locked');
  t.is(await files.lock(root), undefined);
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  const lock = await files.lock(root);
  t.truthy(lock);
  await lock?.release();
});

test('a full disk of the system is ENOSPC', async (t) => {
  const file = await new HostFileSystem().openAppend('/dev/full');
  await fails(t, 'ENOSPC', file.append([new Uint8Array(1)]));
  await file.close();
});

test('what is no disk at all is EIO', async (t) => {
  const files = new HostFileSystem();
  await fails(t, 'EIO', files.openAppend('/dev/null/x'));
});
