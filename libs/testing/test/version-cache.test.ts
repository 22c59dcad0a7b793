import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { fetchedInto, newestIn } from '../src/fetch/version-cache.ts';

async function emptyCache(t: ExecutionContext): Promise<string> {
  const cache = await mkdtemp(join(tmpdir(), 'moldau-cache-'));
  t.teardown(() => rm(cache, { recursive: true }));
  return cache;
}

test('of a cache the newest version is taken, and nothing that is unfinished', async (t) => {
  const cache = await emptyCache(t);
  t.is(await newestIn(join(cache, 'none')), undefined);
  t.is(await newestIn(cache), undefined);
  for (const name of ['.fetch-9', '.lock', '3.4.23', '3.10.1', '3.6.14']) await mkdir(join(cache, name));
  t.is(await newestIn(cache), join(cache, '3.10.1'));
  t.is(await newestIn(cache, '3.6.14'), join(cache, '3.6.14'));
  t.is(await newestIn(cache, '3.6.1'), undefined);
});

test('of many who come at once one fetches, and what others left unfinished is gone', async (t) => {
  const cache = await emptyCache(t);
  await mkdir(join(cache, '.fetch-of-one-that-was-killed'));
  let times = 0;
  const fetch = async (place: string) => {
    times += 1;
    await mkdir(join(place, 'ready'));
    return { version: '1.2', folder: join(place, 'ready') };
  };
  const folders = await Promise.all([1, 2, 3].map(() => fetchedInto(cache, fetch)));
  t.deepEqual(new Set(folders), new Set([join(cache, '1.2')]));
  t.is(times, 1);
  t.deepEqual((await readdir(cache)).sort(), ['.lock', '1.2']);
});

test('a fetch that fails says why, and leaves nothing', async (t) => {
  const cache = await emptyCache(t);
  const failing = fetchedInto(cache, async (place) => {
    await mkdir(join(place, 'half'));
    throw new Error('no network');
  });
  await t.throwsAsync(failing, { message: 'no network' });
  t.deepEqual(await readdir(cache), ['.lock']);
});
