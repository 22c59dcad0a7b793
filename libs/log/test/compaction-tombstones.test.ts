import { offset } from '@moldau/kernel';
import test from 'ava';
import { commit, compact, compactedLog, hourMs, keyed, readAll, roll } from './support/keyed.ts';

test('a tombstone stays for its time from the compaction on that has removed what was before it, and then goes', async (t) => {
  const { bench, log } = await compactedLog();
  await commit(
    bench,
    log,
    keyed([['a', '1']]),
    keyed(
      [
        ['a', null],
        ['b', '1'],
      ],
      { timestampMs: 1 },
    ),
  );
  await roll(bench, log);
  const nowMs = bench.time.wallMs();
  await bench.run(compact(bench, log, { nowMs }));
  const kept = [
    [1, 'a', null],
    [2, 'b', '1'],
    [3, 'roll', '3'],
  ];
  t.deepEqual(await readAll(bench, log), kept as never, 'however old the tombstone itself is');
  t.like(await bench.run(log.offsetForTimestamp(0)), { timestampMs: 1 }, 'its time is what it was');
  await bench.run(compact(bench, log, { nowMs: nowMs + 23 * hourMs }));
  t.deepEqual(await readAll(bench, log), kept as never);
  t.is(log.tombstoneEnd, offset(0));
  t.false(log.isCompactionDue(nowMs + 23 * hourMs));
  t.true(log.isCompactionDue(nowMs + 25 * hourMs), 'the time of the last tombstone has come');
  await bench.run(compact(bench, log, { nowMs: nowMs + 25 * hourMs }));
  t.deepEqual(await readAll(bench, log), kept.slice(1) as never);
  t.is(log.tombstoneEnd, offset(2));
  t.false(log.isCompactionDue(nowMs + 99 * hourMs));
  await bench.close();
  t.is((await bench.reopen()).tombstoneEnd, offset(2));
});

test('a clock that was behind, or is ahead, takes nothing from the time of a tombstone', async (t) => {
  const { bench, log } = await compactedLog();
  await commit(bench, log, keyed([['a', '1']]), keyed([['a', null]]));
  await roll(bench, log);
  const rightMs = bench.time.wallMs();
  await bench.run(compact(bench, log, { nowMs: rightMs - 48 * hourMs, latestMs: rightMs }));
  await bench.run(compact(bench, log, { nowMs: rightMs + 23 * hourMs, latestMs: rightMs + 48 * hourMs }));
  const tombstone = [1, 'a', null] as const;
  t.deepEqual((await readAll(bench, log))[0], tombstone);
  await bench.run(compact(bench, log, { nowMs: rightMs + 25 * hourMs }));
  t.notDeepEqual((await readAll(bench, log))[0], tombstone);
});

test('a tombstone that a newer record follows is nothing to be remembered', async (t) => {
  const { bench, log } = await compactedLog();
  await commit(bench, log, keyed([['a', null]]), keyed([['a', '1']]));
  await roll(bench, log);
  await bench.run(compact(bench, log));
  t.deepEqual(await readAll(bench, log), [
    [1, 'a', '1'],
    [2, 'roll', '2'],
  ]);
  t.is(log.tombstoneEnd, offset(0));
});
