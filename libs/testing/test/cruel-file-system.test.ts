import { FileError, type FileSystem } from '@moldau/kernel';
import test, { type ExecutionContext } from 'ava';
import { CruelDisk, fileSystemContract, SeededRandom, VirtualTime } from '../src/index.ts';

const disk = (seed = 1, capacityBytes?: number): CruelDisk =>
  new CruelDisk({
    timers: new VirtualTime(),
    random: new SeededRandom(seed),
    ...(capacityBytes !== undefined && { capacityBytes }),
  });

fileSystemContract<ExecutionContext>(test, 'cruel', async () => {
  const fs = disk().mount();
  await fs.makeDirectory('/root');
  return { fs, root: '/root' };
});

async function write(fs: FileSystem, path: string, sync: boolean, fill: number, size = 4096): Promise<void> {
  const file = await fs.openAppend(path);
  await file.append([new Uint8Array(size).fill(fill)]);
  if (sync) await file.sync();
  await file.close();
}

async function read(fs: FileSystem, path: string): Promise<Uint8Array> {
  const file = await fs.openRead(path);
  const target = new Uint8Array(await file.size());
  await file.read(0, target);
  return target;
}

test('what was synced, with its name, survives power loss', async (t) => {
  for (let seed = 0; seed < 50; seed += 1) {
    const cruel = disk(seed);
    const fs = cruel.mount();
    await write(fs, '/a', true, 1);
    await fs.syncDirectory('/');
    await write(fs, '/a', false, 2);
    cruel.crash();
    t.deepEqual((await read(cruel.mount(), '/a')).subarray(0, 4096), new Uint8Array(4096).fill(1));
  }
});

test('of what was not synced, power loss keeps everything, nothing, or torn sectors', async (t) => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed += 1) {
    const cruel = disk(seed);
    const fs = cruel.mount();
    await write(fs, '/a', true, 1, 0);
    await fs.syncDirectory('/');
    await write(fs, '/a', false, 2, 1024);
    cruel.crash();
    const bytes = await read(cruel.mount(), '/a');
    const sectors = [bytes[0] === 2, bytes[512] === 2];
    seen.add(bytes.length === 0 ? 'nothing' : sectors.join());
  }
  t.deepEqual([...seen].sort(), ['false,false', 'false,true', 'nothing', 'true,false', 'true,true']);
});

test('unsynced names come and go one by one', async (t) => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 60; seed += 1) {
    const cruel = disk(seed);
    const fs = cruel.mount();
    await write(fs, '/old', true, 1);
    await fs.syncDirectory('/');
    await fs.rename('/old', '/new');
    cruel.crash();
    seen.add((await cruel.mount().list('/')).join());
  }
  t.deepEqual([...seen].sort(), ['', 'new', 'new,old', 'old']);
});

test('a kill keeps the page cache, frees locks, and silences the process', async (t) => {
  const cruel = disk();
  const fs = cruel.mount();
  await write(fs, '/a', false, 3);
  await fs.lock('/');
  cruel.kill();
  const after = cruel.mount();
  t.is((await read(after, '/a')).length, 4096);
  t.truthy(await after.lock('/'));
  const late = fs.list('/').then(() => 'answered');
  t.is(await Promise.race([late, new Promise((resolve) => setImmediate(() => resolve('silent')))]), 'silent');
});

test('after a failed sync a later one succeeds, and the data is lost all the same', async (t) => {
  const cruel = disk();
  const fs = cruel.mount();
  const file = await fs.openAppend('/a');
  await fs.syncDirectory('/');
  await file.append([new Uint8Array(512).fill(9)]);
  cruel.fail('sync', 'EIO');
  await t.throwsAsync(file.sync(), { instanceOf: FileError });
  await file.sync();
  cruel.crash();
  t.false((await read(cruel.mount(), '/a')).includes(9));
});

test('a full disk takes what fits, and refuses', async (t) => {
  const cruel = disk(1, 1000);
  const file = await cruel.mount().openAppend('/a');
  await file.append([new Uint8Array(900)]);
  const error = await t.throwsAsync(file.append([new Uint8Array(200)]), { instanceOf: FileError });
  t.is(error.code, 'ENOSPC');
  await file.truncate(100);
  await file.append([new Uint8Array(200)]);
  t.is(file.sizeBytes, 300);
});

test('held syncs wait until they are released', async (t) => {
  const cruel = disk();
  const file = await cruel.mount().openAppend('/a');
  cruel.holdSyncs();
  let done = false;
  const syncing = file.sync().then(() => (done = true));
  await new Promise((resolve) => setImmediate(resolve));
  t.false(done);
  cruel.releaseSyncs();
  t.true(await syncing);
});
