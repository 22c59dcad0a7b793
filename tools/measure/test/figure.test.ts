import test from 'ava';
import { type Figure, holds, median, quantile } from '../src/figure.ts';
import { table } from '../src/table.ts';

test('the median is the middle one of the runs, or the mean of the middle two', (t) => {
  t.is(median([3, 1, 2]), 2);
  t.is(median([4, 1, 3, 2]), 2.5);
  t.is(median([2, 10]), 6);
  t.is(median([7]), 7);
  t.throws(() => median([]));
});

test('a quantile is the value that so many do not exceed', (t) => {
  const values = Array.from({ length: 200 }, (_, i) => 200 - i);
  t.is(quantile(values, 0.99), 198);
  t.is(quantile(values, 1), 200);
  t.is(quantile([5, 9], 0.99), 9);
});

test('a target is held by the median, from above or from below', (t) => {
  const slow: Figure = { name: 'start', unit: 's', runs: [4, 6, 7], target: { atMost: 5 } };
  t.false(holds(slow));
  t.true(holds({ ...slow, runs: [4, 5, 7] }));
  t.false(holds({ ...slow, target: { atLeast: 7 } }));
  t.true(holds({ ...slow, target: { atLeast: 6 } }));
  t.is(holds({ name: 'rate', unit: 'MB/s', runs: [1] }), undefined);
});

test('the table says what misses', (t) => {
  const lines = table([
    { name: 'start', unit: 's', runs: [4, 6.123, 7], target: { atMost: 5 } },
    { name: 'rate', unit: 'records/s', runs: [123_456] },
  ]).split('\n');
  t.deepEqual(lines.slice(2), [
    '| start | 6.12 s | 3: 4, 6.12, 7 | ≤ 5 s | **misses** |',
    '| rate | 123456 records/s | 1 | – | – |',
  ]);
});
