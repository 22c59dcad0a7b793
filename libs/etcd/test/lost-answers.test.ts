import { setImmediate as turn } from 'node:timers/promises';
import { hasReason, type Logger, revision, silentLogger } from '@moldau/kernel';
import { type LeaseId, leaseId } from '@moldau/metadata';
import { EtcdProcess } from '@moldau/testing/etcd/etcd-process';
import { hasEtcd } from '@moldau/testing/etcd/find-etcd';
import { TcpProxy } from '@moldau/testing/tcp-proxy';
import test from 'ava';
import type { EtcdStore } from '../src/index.ts';
import { after, callsOf, connect, nextOf, put, startBehindProxy, startEtcd, untilAnswered } from './stores.ts';

const withEtcd = (await hasEtcd()) ? test : test.skip;

const unavailable = { name: 'STORE_UNAVAILABLE' };

withEtcd('a transaction whose answer is lost is unknown, was sent once, and is there once', async (t) => {
  const { etcd, proxy, near, far } = await startBehindProxy(t);
  const { revision } = await far.txn([], [put('k', '1')]);
  const before = await callsOf(etcd, 'Txn');
  proxy.dropReplies();
  const lost = far.txn([{ key: 'k', modRevision: revision }], [put('k', '2')]);
  const change = await nextOf(near.watch('k', after(revision)));
  t.is(change?.revision, after(revision), 'it is committed');
  proxy.reset();
  await t.throwsAsync(lost, unavailable);
  proxy.resume();
  const [entry] = (await far.range('k')).entries;
  t.deepEqual([entry?.value, entry?.modRevision], ['2', after(revision)]);
  t.is((await far.status()).revision, after(revision), 'nothing came after it');
  t.is(await callsOf(etcd, 'Txn'), before + 1);
});

withEtcd('no call is sent twice, and each fails in its time, when etcd hears and is not heard', async (t) => {
  const { etcd, proxy, near, far } = await startBehindProxy(t);
  const { revision } = await far.txn([], [put('k')]);
  const lease = await far.grantLease(60_000);
  await Promise.all([far.keepAlive(lease), far.status(), far.range('')]);
  const methods = ['Txn', 'Range', 'LeaseGrant', 'LeaseRevoke', 'LeaseKeepAlive', 'Compact', 'Alarm'];
  const counts = async (): Promise<number[]> => Promise.all(methods.map((method) => callsOf(etcd, method)));
  const before = await counts();
  proxy.dropReplies();
  const startedAt = performance.now();
  for (const error of await failuresOf(far, lease)) {
    t.true(hasReason(error, 'STORE_UNAVAILABLE'), String(error));
    t.regex(String(error), /no answer in 5000 ms/);
  }
  t.true(performance.now() - startedAt < 8_000);
  t.deepEqual(
    await counts(),
    before.map((count) => count + 1),
  );
  t.is((await near.range('k')).entries[0]?.modRevision, after(revision), 'what was asked has happened');
  t.false(await near.keepAlive(lease));
});

withEtcd('a frozen etcd: every call fails in its time; it goes on when etcd does', async (t) => {
  const etcd = await startEtcd(t);
  const store = connect(t, { hosts: etcd.address });
  const lease = await store.grantLease(60_000);
  etcd.pause();
  const startedAt = performance.now();
  for (const error of await failuresOf(store, lease)) t.true(hasReason(error, 'STORE_UNAVAILABLE'), String(error));
  t.true(performance.now() - startedAt < 8_000);
  etcd.resume();
  await t.notThrowsAsync(untilAnswered(() => store.txn([], [put('k')])));
});

withEtcd('many writes under way when connections break: each is there once, or never was', async (t) => {
  const { etcd, proxy, near, far } = await startBehindProxy(t);
  const before = await callsOf(etcd, 'Txn');
  const writers = 50;
  const answered: string[] = [];
  const writing = Array.from({ length: writers }, async (_, writer) => {
    for (let i = 0; ; i++) {
      const key = `k/${writer}/${i}`;
      await far.txn([{ key, modRevision: 0n }], [put(key)]);
      answered.push(key);
    }
  });
  const ends = Promise.allSettled(writing);
  while (answered.length < 10 * writers) await turn();
  // From now on each writer waits for an answer that does not come.
  proxy.dropReplies();
  await turn();
  proxy.reset();
  for (const end of await ends) t.true(end.status === 'rejected' && hasReason(end.reason, 'STORE_UNAVAILABLE'));
  const there = new Map((await near.range('k/', { limit: 100_000 })).entries.map((entry) => [entry.key, entry]));
  t.true(
    [...there.values()].every((entry) => entry.createRevision === entry.modRevision),
    'none was written again',
  );
  t.true(answered.every((key) => there.has(key)));
  t.true(there.size <= answered.length + writers);
  t.true((await callsOf(etcd, 'Txn')) - before <= answered.length + writers, 'none was sent again');
});

withEtcd('refused connections fail at once, and nothing has to be done when they are taken again', async (t) => {
  const { proxy, far } = await startBehindProxy(t);
  await far.txn([], [put('k', '1')]);
  await proxy.refuse();
  const startedAt = performance.now();
  await t.throwsAsync(far.txn([], [put('k', '2')]), { ...unavailable, message: /ECONNREFUSED|reset|dropped|closed/i });
  t.true(performance.now() - startedAt < 2_000);
  await proxy.accept();
  const page = await untilAnswered(() => far.range('k'));
  t.is(page.entries[0]?.value, '1');
});

withEtcd('etcd is killed and starts again: what was answered is there', async (t) => {
  const etcd = await startEtcd(t);
  const store = connect(t, { hosts: etcd.address });
  const { revision } = await store.txn([], [put('k', '1')]);
  const lease = await store.grantLease(60_000);
  await store.txn([], [{ kind: 'put', key: 'leased', value: '', lease }]);
  await etcd.kill();
  await t.throwsAsync(store.txn([], [put('k', '2')]), unavailable);
  await etcd.start();
  const page = await untilAnswered(() => store.range('k'));
  t.deepEqual(
    page.entries.map(({ value, modRevision }) => [value, modRevision]),
    [['1', revision]],
  );
  t.true(await store.keepAlive(lease));
  t.is((await store.range('leased')).entries.length, 1);
});

withEtcd('of several members the next one is asked; one without a quorum answers nothing', async (t) => {
  const members = await EtcdProcess.startCluster(3);
  t.teardown(() => Promise.all(members.map((member) => member.close())));
  const [one, two, three] = members as [EtcdProcess, EtcdProcess, EtcdProcess];
  const store = connect(t, { hosts: [one, two, three].map(({ address }) => address) });
  const { revision } = await store.txn([], [put('k', '1')]);
  await one.kill();
  await t.throwsAsync(store.range('k'), unavailable);
  t.is((await untilAnswered(() => store.range('k'))).entries[0]?.modRevision, revision);
  t.true((await untilAnswered(() => store.txn([{ key: 'k', modRevision: revision }], [put('k', '2')]))).succeeded);
  const last = connect(t, { hosts: three.address });
  const watch = last.watch('k', after(revision));
  t.is((await nextOf(watch))?.revision, after(revision));
  const ended = t.throwsAsync(nextOf(last.watch('k', after(after(revision)))), {
    ...unavailable,
    message: /no leader/,
  });
  await two.kill();
  await ended;
  await t.throwsAsync(last.range('k'), { ...unavailable, message: /no leader/ });
});

withEtcd('a member that answers is stayed with, whatever is cancelled here', async (t) => {
  const { etcd, proxy: one, near } = await startBehindProxy(t);
  const two = await TcpProxy.start(etcd.port);
  t.teardown(() => two.close());
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
  const store = connect(t, { hosts: [one.address, two.address] }, { logger });
  const lease = await store.grantLease(60_000);
  for (let i = 0; i < 5; i++) t.true(await store.keepAlive(lease));
  const { revision } = await store.txn([], [put('k')]);
  for (let i = 0; i < 5; i++) t.is((await nextOf(store.watch('k', revision)))?.revision, revision);
  await near.compact((await store.txn([], [put('k')])).revision);
  await t.throwsAsync(store.range('k', { revision }), { name: 'StoreCompacted' });
  await t.throwsAsync(store.txn([], [{ kind: 'put', key: 'k', value: '', lease: leaseId('1') }]), { message: /gone/ });
  await store.range('');
  t.deepEqual(warnings, []);
  await one.refuse();
  await t.throwsAsync(store.range(''), unavailable);
  await store.range('');
  t.deepEqual(warnings, ['a member of etcd does not answer: asking the next one']);
});

test('nothing is connected before the first call', async (t) => {
  const store = connect(t, { hosts: '127.0.0.1:1' });
  await t.throwsAsync(store.range(''), { ...unavailable, message: /127\.0\.0\.1:1 can.t be reached .*ECONNREFUSED/ });
  await store.close();
  await t.throwsAsync(store.range(''), { message: 'a closed store is not used' });
});

withEtcd('closing ends what waits for an answer', async (t) => {
  const { proxy, far } = await startBehindProxy(t);
  await far.range('');
  proxy.stall();
  const waiting = t.throwsAsync(far.range(''), { ...unavailable, message: /it is closed/ });
  const startedAt = performance.now();
  await far.close();
  await waiting;
  t.true(performance.now() - startedAt < 1_000);
});

/** What every method fails with, all at once. */
function failuresOf(store: EtcdStore, lease: LeaseId): Promise<unknown[]> {
  const calls = [
    store.txn([], [put('k')]),
    store.range('k'),
    store.grantLease(60_000),
    store.keepAlive(lease),
    store.revoke(lease),
    store.compact(revision(1n)),
    store.status(),
  ];
  return Promise.all(
    calls.map((call) =>
      call.then(
        (value) => `answered: ${String(value)}`,
        (error: unknown) => error,
      ),
    ),
  );
}
