import { revision, StartError } from '@moldau/kernel';
import { hasEtcd } from '@moldau/testing/etcd/find-etcd';
import { Stranger } from '@moldau/testing/stranger';
import test from 'ava';
import { connect, put, startEtcd } from './stores.ts';

const withEtcd = (await hasEtcd()) ? test : test.skip;

const refused = (message: RegExp) => ({ name: 'STORE_UNAVAILABLE', message });

withEtcd('a full store refuses writes, says what to do, and raises an alarm', async (t) => {
  const etcd = await startEtcd(t, { flags: ['--quota-backend-bytes', '4000000'] });
  const store = connect(t, { hosts: etcd.address });
  t.deepEqual((await store.status()).alarms, []);
  const fill = async (): Promise<void> => {
    for (let i = 0; ; i++) await store.txn([], [put(`k/${i}`, 'x'.repeat(500_000))]);
  };
  const full = refused(/space quota.*compact and defragment it.*alarm disarm/);
  await t.throwsAsync(fill(), full);
  await t.throwsAsync(store.txn([], [put('small')]), full);
  const { alarms, sizeBytes } = await store.status();
  t.is(alarms.length, 1);
  t.regex(alarms.join(), /NOSPACE.*member [0-9a-f]+/);
  t.true(sizeBytes > 3_000_000);
  t.true((await store.range('k/')).entries.length > 3, 'it still reads');
});

withEtcd('a request above the limits of the server is refused with words', async (t) => {
  const etcd = await startEtcd(t, { flags: ['--max-request-bytes', '10000', '--max-txn-ops', '10'] });
  const store = connect(t, { hosts: etcd.address });
  for (const bytes of [11_000, 1_200_000]) {
    await t.throwsAsync(store.txn([], [put('k', 'x'.repeat(bytes))]), refused(/--max-request-bytes 1572864/));
  }
  const many = Array.from({ length: 11 }, (_, i) => put(`k/${i}`));
  await t.throwsAsync(store.txn([], many), refused(/--max-txn-ops 128/));
  t.deepEqual((await store.range('k')).entries, []);
});

withEtcd('a revision that has not come is refused with words', async (t) => {
  const etcd = await startEtcd(t);
  const store = connect(t, { hosts: etcd.address });
  await t.throwsAsync(store.range('', { revision: revision(99n) }), refused(/restored from a backup/));
  await t.throwsAsync(store.compact(revision(99n)), refused(/restored from a backup/));
});

withEtcd('a page of large values is cut down, and nothing of it is lost', async (t) => {
  const etcd = await startEtcd(t);
  const store = connect(t, { hosts: etcd.address });
  const keys = Array.from({ length: 20 }, (_, i) => `k/${String(i).padStart(2, '0')}`);
  for (const key of keys) await store.txn([], [put(key, 'x'.repeat(1_200_000))]);
  const found: string[] = [];
  let page = await store.range('k/');
  t.true(page.more, '24 MB are no single answer');
  found.push(...page.entries.map(({ key }) => key));
  while (page.more) {
    page = await store.range('k/', { revision: page.revision, after: found.at(-1) });
    found.push(...page.entries.map(({ key }) => key));
  }
  t.deepEqual(found, keys);
});

for (const [kind, words] of [
  [
    'http',
    /can't be asked: etcd at 127\.0\.0\.1:\d+ answers, but not in gRPC: it may be an HTTP port\. Check the port$/,
  ],
  ['tls', /can't be asked: etcd at 127\.0\.0\.1:\d+ ended the connection at once: it may want TLS/],
] as const) {
  test(`what listens where etcd should be is named: ${kind}`, async (t) => {
    const stranger = await Stranger.start(kind);
    t.teardown(() => stranger.close());
    const store = connect(t, { hosts: stranger.address });
    await t.throwsAsync(store.txn([], [put('k')]), refused(words));
  });
}

test('addresses and certificates that make no sense are refused before anything starts', (t) => {
  const pem = Buffer.from('');
  for (const [options, message] of [
    [{ hosts: [] }, /name at least one/],
    [{ hosts: ['https://a:1', 'b:1'] }, /some do not: https:\/\/a:1, b:1/],
    [{ hosts: ['a:1'], tls: { ca: pem } }, /begin with https:\/\//],
    [{ hosts: ['https://a:1'], tls: { ca: pem, cert: pem } }, /give both, or none/],
  ] as const) {
    t.throws(() => connect(t, options), { instanceOf: StartError, message });
  }
});
