import { hasReason, revision } from '@moldau/kernel';
import { MemoryStore, storeContract, VirtualTime } from '@moldau/testing';
import test, { type ExecutionContext } from 'ava';

function make() {
  const time = new VirtualTime();
  return { time, store: new MemoryStore({ timers: time }) };
}

storeContract<ExecutionContext>(test, async (t) => {
  const { time, store } = make();
  t.teardown(() => store.close());
  return { store, advance: (ms) => time.runFor(ms) };
});

const put = (value: string) => ({ kind: 'put', key: 'k', value }) as const;

test('an unavailable store does nothing', async (t) => {
  const { store } = make();
  store.faults.unavailable = true;
  const error = await t.throwsAsync(store.txn([], [put('1')]));
  t.true(hasReason(error, 'STORE_UNAVAILABLE'));
  store.faults.unavailable = false;
  t.deepEqual((await store.range('')).entries, []);
});

test('a lost reply leaves the change', async (t) => {
  const { store } = make();
  store.faults.loseReplies();
  await t.throwsAsync(store.txn([], [put('1')]), { name: 'STORE_UNAVAILABLE' });
  t.is((await store.range('')).entries[0]?.value, '1');
});

test('a delayed request comes after later ones, and its compare decides', async (t) => {
  const { store, time } = make();
  store.faults.delayNextTxn(100);
  await t.throwsAsync(store.txn([{ key: 'k', modRevision: 0n }], [put('late')]), { name: 'STORE_UNAVAILABLE' });
  t.deepEqual((await store.range('')).entries, []);
  await time.runFor(100);
  t.is((await store.range('')).entries[0]?.value, 'late');
});

test('a watch breaks in the middle of its catch-up', async (t) => {
  const { store } = make();
  for (const value of ['1', '2', '3']) await store.txn([], [put(value)]);
  store.faults.breakNextWatchAfter(2);
  let seen = 0;
  const read = async (): Promise<void> => {
    for await (const _ of store.watch('', revision(1n))) seen += 1;
  };
  await t.throwsAsync(read(), { name: 'STORE_UNAVAILABLE' });
  t.is(seen, 2);
});

test('all leases end at once', async (t) => {
  const { store } = make();
  for (const key of ['a', 'b'])
    await store.txn([], [{ kind: 'put', key, value: '', lease: await store.grantLease(9_000) }]);
  store.faults.revokeLeases();
  t.deepEqual((await store.range('')).entries, []);
});

test('a delay holds every call for so long', async (t) => {
  const { store, time } = make();
  store.faults.delayMs = 50;
  let done = false;
  const written = store.txn([], [put('1')]).then(() => {
    done = true;
  });
  await time.runFor(49);
  t.false(done);
  await time.runFor(1);
  await written;
  t.true(done);
});
