import { type Millis, type Revision, revision as rev } from '@moldau/kernel';
import {
  LeaseGone,
  type MetadataStore,
  maxTxnOps,
  type StoreChange,
  StoreCompacted,
  type StoreWatch,
} from '@moldau/metadata';
import { type Assertions, rejection } from './assertions.ts';

/** One store of a test, empty, and the time that it lives in. */
export interface MadeStore {
  readonly store: MetadataStore;
  /** Lets so much of the store's time pass. */
  advance(ms: Millis): Promise<void>;
  /** How long the lease lives whose end is waited for: less where the time is real. Default: 10 s. */
  readonly leaseTtlMs?: Millis;
}

type Check = (title: string, run: (t: Assertions, made: MadeStore) => Promise<void>) => void;

/** What every MetadataStore does. `make` opens an empty store, and closes it with the test's teardown. */
export function storeContract<T extends Assertions>(
  test: (title: string, run: (t: T) => Promise<void>) => void,
  make: (t: T) => Promise<MadeStore>,
): void {
  const check: Check = (title, run) => test(`store contract: ${title}`, async (t) => run(t, await make(t)));
  transactions(check);
  ranges(check);
  watches(check);
  leases(check);
}

const put = (key: string, value: string) => ({ kind: 'put', key, value }) as const;
const del = (key: string) => ({ kind: 'delete', key }) as const;
const get = (key: string) => ({ kind: 'get', key }) as const;

function transactions(check: Check): void {
  check('one revision for all writes of a transaction', async (t, { store }) => {
    const { revision: before } = await store.status();
    const written = await store.txn([], [put('a/1', 'x'), put('a/2', 'y'), get('a/1')]);
    t.is(written.revision, rev(before + 1n));
    t.is(written.read[0]?.value, 'x', 'a read sees the writes before it');
    const { entries } = await store.range('a/');
    t.deepEqual(
      entries.map(({ key, value, createRevision, modRevision }) => [key, value, createRevision, modRevision]),
      [
        ['a/1', 'x', written.revision, written.revision],
        ['a/2', 'y', written.revision, written.revision],
      ],
    );
  });

  check('a transaction that writes nothing takes no revision', async (t, { store }) => {
    const { revision: before } = await store.status();
    t.is((await store.txn([], [get('a'), del('a')])).revision, before);
  });

  check('create revisions stay, mod revisions grow, and a key made again is new', async (t, { store }) => {
    const first = await store.txn([], [put('k', '1')]);
    const second = await store.txn([], [put('k', '2')]);
    const [entry] = (await store.range('k')).entries;
    t.is(entry?.createRevision, first.revision);
    t.is(entry?.modRevision, second.revision);
    await store.txn([], [del('k')]);
    const again = await store.txn([], [put('k', '3')]);
    t.is((await store.range('k')).entries[0]?.createRevision, again.revision);
  });

  check('compares are all or nothing, and the else-branch reads what is there', async (t, { store }) => {
    const { revision } = await store.txn([], [put('a', '1')]);
    const lost = await store.txn(
      [
        { key: 'a', modRevision: revision },
        { key: 'b', createRevision: revision },
      ],
      [put('a', '2')],
      [get('a'), get('b')],
    );
    t.false(lost.succeeded);
    t.deepEqual(
      lost.read.map((entry) => entry?.value),
      ['1', undefined],
    );
    const won = await store.txn(
      [
        { key: 'a', modRevision: revision },
        { key: 'a', createRevision: revision },
        { key: 'b', modRevision: 0n },
      ],
      [put('a', '2')],
    );
    t.true(won.succeeded);
    t.false((await store.txn([{ key: 'a', modRevision: revision }], [put('a', '3')])).succeeded, 'a compare wins once');
    t.false((await store.txn([{ key: 'a', modRevision: 0n }], [put('a', '3')])).succeeded, 'a exists');
  });

  check('of many writers with one expectation exactly one wins', async (t, { store }) => {
    const attempts = Array.from({ length: 20 }, (_, i) =>
      store.txn([{ key: 'seat', modRevision: 0n }], [put('seat', `writer ${i}`)]),
    );
    t.is((await Promise.all(attempts)).filter(({ succeeded }) => succeeded).length, 1);
  });

  check('limits are those of etcd', async (t, { store }) => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => put(`k/${i}`, 'v'));
    t.true((await store.txn([], many(maxTxnOps))).succeeded);
    t.regex(String(await rejection(store.txn([], many(maxTxnOps + 1)))), /at most 120 operations/);
    t.regex(String(await rejection(store.txn([], [put('k', '1'), del('k')]))), /writes k once/);
  });
}

function ranges(check: Check): void {
  check('pages of one revision show one state', async (t, { store }) => {
    for (const key of ['p/1', 'p/2', 'p/3', 'p/4', 'q']) await store.txn([], [put(key, 'old')]);
    const first = await store.range('p/', { limit: 2 });
    t.true(first.more);
    await store.txn([], [put('p/3', 'new'), del('p/4'), put('p/5', 'new')]);
    const second = await store.range('p/', { limit: 2, after: 'p/2', revision: first.revision });
    t.is(second.revision, first.revision);
    t.false(second.more);
    t.deepEqual(
      [...first.entries, ...second.entries].map(({ key, value }) => `${key}=${value}`),
      ['p/1=old', 'p/2=old', 'p/3=old', 'p/4=old'],
    );
    t.deepEqual(
      (await store.range('p/')).entries.map(({ key }) => key),
      ['p/1', 'p/2', 'p/3', 'p/5'],
    );
  });

  check('a prefix matches from the first character, and only that', async (t, { store }) => {
    await store.txn([], [put('topics', '0'), put('topics/a', '1'), put('topicz', '2'), put('z/topics/', '3')]);
    t.deepEqual(
      (await store.range('topics/')).entries.map(({ key }) => key),
      ['topics/a'],
    );
    t.is((await store.range('')).entries.length, 4);
  });

  check('what was modified after a revision', async (t, { store }) => {
    await store.txn([], [put('a', '1'), put('b', '1')]);
    const { revision } = await store.txn([], [put('c', '1')]);
    await store.txn([], [put('a', '2'), put('d', '1')]);
    const first = await store.range('', { modifiedAfter: revision, limit: 1 });
    const second = await store.range('', { modifiedAfter: revision, limit: 1, after: 'a' });
    t.deepEqual(
      [first, second].map(({ entries, more }) => [entries.map(({ key }) => key), more]),
      [
        [['a'], true],
        [['d'], false],
      ],
    );
  });

  check('a compacted revision says so, and the present stays', async (t, { store }) => {
    const old = await store.txn([], [put('a', '1')]);
    await store.txn([], [put('b', '1'), del('a')]);
    const now = await store.txn([], [put('b', '2')]);
    await store.compact(now.revision);
    await store.compact(old.revision);
    const error = await rejection(store.range('', { revision: old.revision }));
    t.is(error instanceof StoreCompacted ? error.oldest : error, now.revision);
    t.deepEqual(
      (await store.range('', { revision: now.revision })).entries.map(({ key, value }) => `${key}=${value}`),
      ['b=2'],
    );
  });
}

/** Reads so many changes and closes the watch. */
async function take(watch: StoreWatch, count: number): Promise<StoreChange[]> {
  const changes: StoreChange[] = [];
  for await (const change of watch) if (changes.push(change) === count) break;
  return changes;
}

const shown = (changes: readonly StoreChange[]): string[] =>
  changes.map(({ events }) =>
    events.map((e) => (e.kind === 'put' ? `${e.entry.key}=${e.entry.value}` : `-${e.key}`)).join(' '),
  );

function watches(check: Check): void {
  check('a watch catches up from a revision and goes on, one change a revision', async (t, { store }) => {
    await store.txn([], [put('w/a', '0')]);
    const { revision } = await store.txn([], [put('w/a', '1'), put('x', '1'), put('w/b', '1')]);
    await store.txn([], [put('x', '2')]);
    const watch = store.watch('w/', revision);
    const seen = take(watch, 4);
    await store.txn([], [put('w/a', '2')]);
    await store.txn([], [del('w/a'), del('w/none')]);
    await store.txn([], [put('w/a', '3')]);
    const changes = await seen;
    t.deepEqual(shown(changes), ['w/a=1 w/b=1', 'w/a=2', '-w/a', 'w/a=3']);
    t.deepEqual(
      changes.map((change) => change.revision),
      [0n, 2n, 3n, 4n].map((n) => rev(revision + n)),
    );
  });

  check('a watch from the future waits for it', async (t, { store }) => {
    const { revision } = await store.txn([], [put('w', '1')]);
    const seen = take(store.watch('', rev(revision + 2n)), 1);
    await store.txn([], [put('w', '2')]);
    await store.txn([], [put('w', '3')]);
    t.deepEqual(shown(await seen), ['w=3']);
  });

  check('a compaction above a watch ends it with an error, never with a gap', async (t, { store }) => {
    const { revision } = await store.txn([], [put('w', '1')]);
    await store.txn([], [put('w', '2')]);
    const last = await store.txn([], [put('w', '3')]);
    await store.compact(last.revision);
    t.true((await rejection(take(store.watch('w', revision), 1))) instanceof StoreCompacted);
    t.deepEqual(shown(await take(store.watch('w', last.revision), 1)), ['w=3']);
  });

  check('a compaction below a running watch does not disturb it', async (t, { store }) => {
    const watch = store.watch('w', rev((await store.status()).revision + 1n));
    const reader = watch[Symbol.asyncIterator]();
    let last: Revision = rev(0n);
    for (const value of ['1', '2', '3']) {
      last = (await store.txn([], [put('w', value)])).revision;
      t.deepEqual(shown([(await reader.next()).value]), [`w=${value}`]);
    }
    await store.compact(last);
    await store.txn([], [put('w', '4')]);
    t.deepEqual(shown([(await reader.next()).value]), ['w=4']);
    watch.close();
    t.true((await reader.next()).done);
  });

  check('closing a watch or the store ends the iteration', async (t, { store }) => {
    const one = store.watch('w', rev(1n));
    const two = store.watch('w', rev(1n));
    const ends = [take(one, 1), take(two, 1)];
    one.close();
    t.deepEqual(await ends[0], []);
    await store.close();
    t.deepEqual(await ends[1], []);
  });
}

function leases(check: Check): void {
  check('a lease that is not kept alive takes its keys along', async (t, { store, advance, leaseTtlMs = 10_000 }) => {
    const lease = await store.grantLease(leaseTtlMs);
    const { revision } = await store.txn(
      [],
      [
        { ...put('l/a', '1'), lease },
        { ...put('l/b', '1'), lease },
      ],
    );
    await advance(0.6 * leaseTtlMs);
    t.true(await store.keepAlive(lease));
    await advance(0.6 * leaseTtlMs);
    t.is((await store.range('l/')).entries.length, 2);
    const change = take(store.watch('l/', rev(revision + 1n)), 1);
    await advance(2 * leaseTtlMs);
    t.deepEqual(shown(await change), ['-l/a -l/b'], 'all at one revision');
    t.false(await store.keepAlive(lease));
  });

  check('revoking deletes the keys; a key written anew without the lease stays', async (t, { store }) => {
    const lease = await store.grantLease(10_000);
    await store.txn(
      [],
      [
        { ...put('a', '1'), lease },
        { ...put('b', '1'), lease },
      ],
    );
    await store.txn([], [put('b', '2')]);
    await store.revoke(lease);
    await store.revoke(lease);
    t.deepEqual(
      (await store.range('')).entries.map(({ key }) => key),
      ['b'],
    );
    t.true((await rejection(store.txn([], [{ ...put('c', '1'), lease }]))) instanceof LeaseGone);
  });
}
