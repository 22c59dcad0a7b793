import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { revision, StartError } from '@moldau/kernel';
import { MemoryStore, storeContract, VirtualTime } from '@moldau/testing';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { EmbeddedStore, inMemory } from '../src/index.ts';

function place(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'moldau-store-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return join(directory, 'metadata.db');
}

function open(t: ExecutionContext, path: string, time = new VirtualTime()): EmbeddedStore {
  const store = EmbeddedStore.open(path, { timers: time });
  t.teardown(() => store.close());
  return store;
}

storeContract<ExecutionContext>(test, async (t) => {
  const time = new VirtualTime();
  return { store: open(t, place(t), time), advance: (ms) => time.runFor(ms) };
});

test('what was written is there after a restart, with its history', async (t) => {
  const path = place(t);
  const first = open(t, path);
  const { revision: one } = await first.txn([], [{ kind: 'put', key: 'k', value: '1' }]);
  await first.txn([], [{ kind: 'put', key: 'k', value: '2' }]);
  await first.close();
  const second = open(t, path);
  t.is((await second.range('k', { revision: one })).entries[0]?.value, '1');
  t.is((await second.range('k')).entries[0]?.value, '2');
  const reader = second.watch('', one)[Symbol.asyncIterator]();
  t.is((await reader.next()).value.revision, one);
  t.is((await second.txn([], [{ kind: 'delete', key: 'k' }])).revision, revision(one + 2n));
});

test('a second opener is told what to do, and comes in once the first has closed', async (t) => {
  const path = place(t);
  const first = open(t, path);
  const error = t.throws(() => open(t, path), { instanceOf: StartError });
  t.regex(error?.message ?? '', /in use by another process: stop that one/);
  await first.close();
  t.notThrows(() => open(t, path));
});

test('keys under a lease end with the process that took it', async (t) => {
  const path = place(t);
  const first = open(t, path);
  const lease = await first.grantLease(10_000);
  await first.txn([], [{ kind: 'put', key: 'seat', value: 'me', lease }]);
  await first.close();
  t.deepEqual((await open(t, path).range('')).entries, []);
});

test('a file of a newer format, or no store at all, is refused with words', async (t) => {
  const newer = place(t);
  await EmbeddedStore.open(newer, { timers: new VirtualTime() }).close();
  const db = new DatabaseSync(newer);
  db.exec(`UPDATE meta SET value = 99 WHERE name = 'format'`);
  db.close();
  t.throws(() => open(t, newer), { instanceOf: StartError, message: /format 99/ });
  t.throws(() => open(t, tmpdir()), { instanceOf: StartError, message: /can't be opened/ });
});

test('it answers as the store in memory does, whatever the history', async (t) => {
  const key = fc.constantFrom('a', 'b', 'b/1', 'b/2', 'c');
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), key, value: fc.string({ maxLength: 3 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('compact' as const), back: fc.nat(3) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('read' as const),
        prefix: fc.constantFrom('', 'b', 'b/'),
        back: fc.nat(5),
        limit: fc.integer({ min: 1, max: 4 }),
      }),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const stores = [
        EmbeddedStore.open(inMemory, { timers: new VirtualTime() }),
        new MemoryStore({ timers: new VirtualTime() }),
      ];
      const answers = await Promise.all(
        stores.map(async (store) => {
          const seen: unknown[] = [];
          for (const s of steps) {
            const now = (await store.status()).revision;
            const at = revision('back' in s && now > BigInt(s.back) ? now - BigInt(s.back) : now);
            if (s.do === 'put') seen.push(await store.txn([], [{ kind: 'put', key: s.key, value: s.value }]));
            if (s.do === 'delete') seen.push(await store.txn([], [{ kind: 'delete', key: s.key }]));
            if (s.do === 'compact') seen.push(await store.compact(at));
            if (s.do === 'read') seen.push(await store.range(s.prefix, { revision: at, limit: s.limit }).catch(String));
          }
          await store.close();
          return seen;
        }),
      );
      t.deepEqual(answers[0], answers[1]);
    }),
    { seed: 7, numRuns: 200 },
  );
});
