import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cachedEtcd } from '../src/etcd/fetch-etcd.ts';

test('of a cache the newest version is taken, and nothing that is unfinished', async (t) => {
  const cache = await mkdtemp(join(tmpdir(), 'moldau-cache-'));
  t.teardown(() => rm(cache, { recursive: true }));
  t.is(await cachedEtcd(join(cache, 'none')), undefined);
  t.is(await cachedEtcd(cache), undefined);
  for (const name of ['.fetch-9', '.lock', '3.4.23', '3.10.1', '3.6.14']) await mkdir(join(cache, name));
  t.is(await cachedEtcd(cache), join(cache, '3.10.1', 'etcd'));
});
