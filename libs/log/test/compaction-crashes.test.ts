import { assert } from '@moldau/kernel';
import test from 'ava';
import type { PartitionLog } from '../src/index.ts';
import { Bench, epoch } from './support/bench.ts';
import { CountedFileSystem } from './support/counted-file-system.ts';
import { commit, compact, keyed, type ReadRecord, readAll, roll } from './support/keyed.ts';

const partition = '/data/partitions/t0-0';
const hourMs = 3_600_000;

/** A log of many small segments: keys that come again, a tombstone that may go, an epoch that ends. */
async function manySegments(
  seed: number,
  padBytes: number,
): Promise<{ bench: Bench; log: PartitionLog; before: ReadRecord[] }> {
  const bench = new Bench(seed, { tailCacheBytes: 1 });
  bench.config = { ...bench.config, segmentBytes: 350 + padBytes * 12, compaction: { deleteRetentionMs: 0 } };
  const log = await bench.log();
  log.lead(epoch(1));
  const pad = 'x'.repeat(padBytes);
  await commit(bench, log, keyed([['gone', 'x']]), keyed([['gone', null]]));
  for (let i = 0; i < 12; i += 1)
    await commit(
      bench,
      log,
      keyed([
        [`k${i % 3}`, `${i}`],
        [`once${i % 5}`, pad],
      ]),
    );
  await roll(bench, log);
  await bench.run(compact(bench, log));
  log.lead(epoch(2));
  for (let i = 0; i < 12; i += 1)
    await commit(bench, log, keyed([[i % 2 === 0 ? `once${i % 3}` : `k${i % 3}`, `new${i}${pad}`]]));
  await roll(bench, log);
  await bench.time.runFor(2_000);
  return { bench, log, before: await readAll(bench, log) };
}

/** Compacts, and lets the process end under the nth operation. Returns whether it got that far. */
async function crashAt(bench: Bench, log: PartitionLog, nth: number, how: 'kill' | 'crash', count: { left: number }) {
  count.left = nth;
  let ended = false;
  const compacting = compact(bench, log, { nowMs: bench.time.wallMs() + hourMs }).then(() => {
    ended = true;
  });
  compacting.catch(() => {});
  await bench.time.runUntil(() => ended || count.left <= 0);
  const crashed = count.left <= 0;
  count.left = Number.POSITIVE_INFINITY;
  if (crashed) bench.disk[how]();
  return crashed;
}

/** The newest record of each key: nothing else may ever go. */
function newestOf(records: readonly ReadRecord[]): ReadRecord[] {
  const newest = new Map<string | null, ReadRecord>();
  for (const record of records) newest.set(record[1], record);
  return [...newest.values()].filter(([, , value]) => value !== null).sort(([a], [b]) => a - b);
}

for (const [how, padBytes] of [
  ['kill', 0],
  ['crash', 0],
  // Large enough for an index to lead somewhere.
  ['kill', 1_000],
] as const) {
  test(`the process ends at any operation of a compaction, by ${how}, values of ${padBytes} bytes: nothing is lost, and nothing left behind`, async (t) => {
    t.timeout(300_000);
    let crashes = 0;
    for (let nth = 1; ; nth += 1) {
      const count = { left: Number.POSITIVE_INFINITY };
      const { bench, log, before } = await manySegmentsCounted(nth, padBytes, count);
      if (!(await crashAt(bench, log, nth, how, count))) break;
      crashes += 1;
      const found = await bench.reopen(how === 'crash' ? { bootId: 'boot-2' } : {});
      t.is(found.found.state, how === 'crash' ? 'unclean' : 'clean', `operation ${nth}: ${found.found.problem}`);
      const records = await readAll(bench, found);
      const known = new Set(before.map(String));
      t.true(
        records.every((record) => known.has(String(record))),
        `operation ${nth}: records are what they were`,
      );
      t.deepEqual(newestOf(records), newestOf(before), `operation ${nth}: the newest of each key`);
      const left = bench.disk.filesBelow(partition).filter((path) => /\.(tmp|swap)$/.test(path));
      t.deepEqual(left, [], `operation ${nth}`);
      const gone = !records.some(([, key, value]) => key === 'gone' && value === null);
      if (gone) t.is(found.tombstoneEnd, 2n as never, `operation ${nth}: a tombstone is gone, and that is known`);
      found.lead(epoch(3));
      found.advanceHighWatermark(found.durableEnd);
      await commit(bench, found, keyed([['after', 'x']]));
      await bench.run(compact(bench, found, { nowMs: bench.time.wallMs() + hourMs }));
      t.deepEqual(newestOf(await readAll(bench, found)).slice(0, -1), newestOf(before), `operation ${nth}, and again`);
      await bench.close();
      const again = await bench.reopen({ bootId: 'boot-2' });
      t.not(again.found.state, 'corrupt', `operation ${nth}`);
    }
    t.true(crashes > 20, `there were ${crashes} operations`);
  });
}

/** The same log, on a disk that counts from now on. */
async function manySegmentsCounted(seed: number, padBytes: number, count: { left: number }) {
  const { bench, before } = await manySegments(seed, padBytes);
  await bench.close();
  // So much fits into one segment that the new one is larger than the first of the old ones.
  if (padBytes > 0) bench.config = { ...bench.config, segmentBytes: 100_000 };
  bench.mount = () =>
    new CountedFileSystem(bench.disk.mount(), () => {
      count.left -= 1;
    });
  const log = await bench.reopen();
  assert(log.highWatermark === log.logEnd, 'all of it is committed');
  return { bench, log, before };
}

test('a full disk gives a compaction up, and leaves the log as it was', async (t) => {
  const { bench, log, before } = await manySegments(1, 0);
  bench.disk.fail('append', 'ENOSPC', 1, '.tmp');
  await t.throwsAsync(bench.run(compact(bench, log)), { name: 'FileError' });
  t.deepEqual(await readAll(bench, log), before);
  t.false(bench.disk.filesBelow(partition).some((path) => path.endsWith('.tmp')));
  await bench.run(compact(bench, log, { nowMs: bench.time.wallMs() + hourMs }));
  t.deepEqual(newestOf(await readAll(bench, log)), newestOf(before));
});
