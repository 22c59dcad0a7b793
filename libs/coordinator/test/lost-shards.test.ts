import test from 'ava';
import { LostShards } from '../src/lost-shards.ts';

test('a shard waits longer with each loss, up to a minute, and begins anew when it was owned for long', (t) => {
  const lost = new LostShards();
  let nowMs = 0;
  let epoch = 1n;
  const pauses = Array.from({ length: 8 }, () => {
    epoch += 1n;
    const pauseMs = lost.note(3, epoch, nowMs) ?? 0;
    t.false(lost.isDue(3, epoch, nowMs + pauseMs - 1));
    nowMs += pauseMs;
    t.true(lost.isDue(3, epoch, nowMs));
    return pauseMs;
  });
  t.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  t.is(lost.note(3, epoch + 1n, nowMs + 300_000), 1_000);
});

test('a loss counts once, and only of the epoch that it is of', (t) => {
  const lost = new LostShards();
  t.is(lost.note(3, 5n, 0), 1_000);
  t.is(lost.note(3, 5n, 900), undefined, 'said again with every heartbeat');
  t.true(lost.isDue(3, 5n, 1_000));
  t.false(lost.isDue(3, 6n, 1_000), 'it has another owner');
  t.false(lost.isDue(4, 5n, 1_000), 'another shard');
});
