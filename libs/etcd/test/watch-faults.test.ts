import { setTimeout as sleep } from 'node:timers/promises';
import { hasReason, revision } from '@moldau/kernel';
import { type StoreChange, StoreCompacted, type StoreWatch } from '@moldau/metadata';
import { SeededRandom } from '@moldau/testing';
import { hasEtcd } from '@moldau/testing/etcd/find-etcd';
import type { Direction, TcpProxy } from '@moldau/testing/tcp-proxy';
import test, { type ExecutionContext } from 'ava';
import { after, connect, follow, nextOf, put, startBehindProxy, startEtcd } from './stores.ts';

const withEtcd = (await hasEtcd()) ? test : test.skip;

withEtcd('a watch that breaks after its creation and before it has caught up loses nothing', async (t) => {
  const { proxy, near, far } = await startBehindProxy(t);
  const { revision: first } = await near.txn([], [put('k', '0')]);
  let last = first;
  // More than one piece of TCP holds.
  while (last < first + 50n) last = (await near.txn([], [put('k', 'x'.repeat(20_000))])).revision;
  const created = answerOf(proxy);
  const seen: StoreChange[] = [];
  const ended = follow(far.watch('k', first), seen);
  await created;
  proxy.reset();
  t.true(hasReason(await ended, 'STORE_UNAVAILABLE'));
  t.true(seen.length < 51, 'it broke before it had caught up');
  proxy.resume();
  await readTo(t, last, seen, () => far.watch('k', after(seen.at(-1)?.revision ?? first - 1n)));
  t.deepEqual(
    seen.map((change) => change.revision),
    Array.from({ length: 51 }, (_, i) => revision(first + BigInt(i))),
  );
});

withEtcd('connections break again and again: no change is lost, none comes twice', async (t) => {
  const seed = Date.now() % 1_000_000;
  t.log(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const { proxy, near, far } = await startBehindProxy(t);
  const { revision: start } = await near.status();
  const writes = 600;
  let breaks = 0;
  const writing = (async () => {
    for (let i = 0; i < writes; i++) {
      await near.txn([], [put(`k/${i % 7}`, String(i)), put(`other/${i}`), put(`k/x${i % 5}`)]);
      if (random.next() < 0.04) proxy.reset();
    }
  })();
  const seen: StoreChange[] = [];
  const end = start + BigInt(writes);
  while ((seen.at(-1)?.revision ?? 0n) < end) {
    const watch = far.watch('k/', after(seen.at(-1)?.revision ?? start));
    for await (const change of untilBroken(watch)) if (seen.push(change) && change.revision === end) break;
    breaks += 1;
  }
  await writing;
  t.deepEqual(
    seen.map((change) => change.revision),
    Array.from({ length: writes }, (_, i) => after(start + BigInt(i))),
  );
  t.true(seen.every(({ events }) => events.length === 2));
  t.true(breaks > 5, `${breaks} breaks`);
});

withEtcd('a connection that falls silent, both ways or one, ends the watch within 30 s', async (t) => {
  const cases: Direction[][] = [['up', 'down'], ['up'], ['down']];
  await Promise.all(
    cases.map(async (directions) => {
      const { proxy, near, far } = await startBehindProxy(t);
      const { revision: first } = await near.txn([], [put('k')]);
      const seen: StoreChange[] = [];
      const ended = follow(far.watch('k', first), seen);
      while (seen.length === 0) await sleep(10);
      const startedAt = performance.now();
      proxy.stall(...directions);
      t.true(hasReason(await ended, 'STORE_UNAVAILABLE'));
      t.true(performance.now() - startedAt < 30_000, directions.join());
    }),
  );
});

withEtcd('a watch that nobody confirms ends in time', async (t) => {
  const { proxy, far } = await startBehindProxy(t);
  proxy.stall();
  const startedAt = performance.now();
  t.true(hasReason(await follow(far.watch('k', revision(1n)), []), 'STORE_UNAVAILABLE'));
  t.true(performance.now() - startedAt < 8_000);
});

withEtcd('a reader that is 16 MB behind is told to list again', async (t) => {
  const etcd = await startEtcd(t);
  const store = connect(t, { hosts: etcd.address });
  const text = 'x'.repeat(1_000_000);
  const reader = store.watch('', revision(1n))[Symbol.asyncIterator]();
  const read = async (): Promise<void> => {
    for (;;) {
      for (let i = 0; i < 18; i++) await store.txn([], [put('k', text)]);
      await reader.next();
    }
  };
  await t.throwsAsync(read(), { name: 'STORE_UNAVAILABLE', message: /nobody reads/ });
});

withEtcd('a compaction under a watch that lags ends it without a gap', async (t) => {
  const { proxy, near, far } = await startBehindProxy(t);
  const { revision: first } = await near.txn([], [put('k')]);
  const seen: StoreChange[] = [];
  const ended = follow(far.watch('', first), seen);
  while (seen.length === 0) await sleep(10);
  proxy.stall('down');
  const text = 'x'.repeat(2_000);
  for (let i = 0; i < 30; i++)
    await Promise.all(Array.from({ length: 100 }, (_, j) => near.txn([], [put(`k${j}`, text)])));
  const { revision: last } = await near.status();
  await near.compact(last);
  proxy.resume();
  const error = await ended;
  t.true(error instanceof StoreCompacted, String(error));
  if (error instanceof StoreCompacted) t.is(error.oldest, last);
  t.true(seen.length < 3_000, 'it lagged');
  t.deepEqual(
    seen.map((change) => change.revision),
    seen.map((_, i) => revision(first + BigInt(i))),
  );
});

withEtcd('a catch-up of 18 MB comes in fragments, and shows whole revisions', async (t) => {
  const etcd = await startEtcd(t);
  const store = connect(t, { hosts: etcd.address });
  const text = 'x'.repeat(100_000);
  const keys = Array.from({ length: 13 }, (_, i) => `k/${String(i).padStart(2, '0')}`);
  const { revision: before } = await store.status();
  for (let i = 0; i < 14; i++) {
    await store.txn(
      [],
      keys.map((key) => put(key, text)),
    );
  }
  const { revision: last } = await store.txn([], [put('k/end')]);
  const seen: StoreChange[] = [];
  await readTo(t, last, seen, () => store.watch('k/', after(before)));
  t.deepEqual(
    seen.slice(0, -1).map(({ events }) => events.map((event) => (event.kind === 'put' ? event.entry.key : '-'))),
    Array.from({ length: 14 }, () => keys),
  );
});

withEtcd('etcd dies under a watch', async (t) => {
  const etcd = await startEtcd(t);
  const store = connect(t, { hosts: etcd.address });
  const { revision: first } = await store.txn([], [put('k', '1')]);
  const seen: StoreChange[] = [];
  const ended = follow(store.watch('k', first), seen);
  while (seen.length === 0) await sleep(10);
  await etcd.kill();
  t.true(hasReason(await ended, 'STORE_UNAVAILABLE'));
  await etcd.start();
  await readTo(t, first, [], () => store.watch('k', first));
});

withEtcd('a lease that somebody else revokes: its keys go in one change, and it is gone', async (t) => {
  const etcd = await startEtcd(t);
  const mine = connect(t, { hosts: etcd.address });
  const lease = await mine.grantLease(60_000);
  const { revision: last } = await mine.txn(
    [],
    ['a', 'b'].map((key) => ({ kind: 'put', key, value: '', lease }) as const),
  );
  const change = nextOf(mine.watch('', after(last)));
  await connect(t, { hosts: etcd.address }).revoke(lease);
  t.deepEqual((await change)?.events, [
    { kind: 'delete', key: 'a' },
    { kind: 'delete', key: 'b' },
  ]);
  t.false(await mine.keepAlive(lease));
});

/**
 * Resolves with the first message of a stream that comes through the proxy; nothing after it does. Frames of HTTP/2 begin
 * with three bytes of length and one of type, and type 0 is a message.
 */
function answerOf(proxy: TcpProxy): Promise<void> {
  return new Promise((resolve) => {
    const end = proxy.tapReplies((bytes) => {
      for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
        if (bytes[at + 3] !== 0) continue;
        end();
        proxy.stall('down');
        // The piece itself is on its way.
        setImmediate(resolve);
        return;
      }
    });
  });
}

/** Reads watches one after the other, until a change of this revision has come. */
async function readTo(t: ExecutionContext, last: bigint, seen: StoreChange[], open: () => StoreWatch): Promise<void> {
  while ((seen.at(-1)?.revision ?? 0n) < last) {
    for await (const change of untilBroken(open())) if (seen.push(change) && change.revision === last) break;
  }
  t.is(seen.at(-1)?.revision, last as StoreChange['revision']);
}

/** What a watch shows until it is broken. */
async function* untilBroken(watch: StoreWatch): AsyncGenerator<StoreChange> {
  try {
    yield* watch;
  } catch (error) {
    if (!hasReason(error, 'STORE_UNAVAILABLE')) throw error;
    await sleep(20);
  }
}
