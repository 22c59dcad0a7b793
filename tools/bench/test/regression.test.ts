import test from 'ava';
import { reached } from '../src/goals.ts';
import { regressions } from '../src/regression.ts';
import { Measured } from '../src/samples.ts';
import { slowerBare } from '../src/throughput.ts';

const key = `100 B, 1 partition, produce: Moldau / ${slowerBare}`;

function producing(...runs: readonly (readonly [ours: number, bare: number])[]): Measured {
  const measured = new Measured();
  for (const [ours, bare] of runs) {
    measured.add('100 B, 1 partition, produce', 'Moldau', 'MB/s', ours);
    measured.add('100 B, 1 partition, produce', slowerBare, 'MB/s', bare);
  }
  return measured;
}

test('a ratio is the median of those of each round', (t) => {
  const [first] = reached(producing([30, 100], [10, 20], [40, 100]));
  t.is(first?.ratio, 0.4);
  t.true(first?.isFloorHeld);
  t.false(first?.isReached);
});

test('a ratio that has fallen by more than a third is found, and one that has fallen by less is not', (t) => {
  const all = reached(producing([20, 100]));
  t.deepEqual(regressions(all, { [key]: 0.29 }), []);
  t.is(regressions(all, { [key]: 0.31 })[0]?.key, key);
  t.regex(regressions(all, {})[0]?.text ?? '', /has no recorded value/);
  t.regex(regressions(reached(new Measured()), {})[0]?.text ?? '', /no ratio to the ceiling/);
});

test('a time that has risen by more than a half is found', (t) => {
  const measured = new Measured();
  measured.add('end to end at 1 000 records/s, p50', 'Moldau', 'ms', 3);
  measured.add('end to end at 1 000 records/s, p50', 'bare round trip + fdatasync', 'ms', 1);
  const time = 'end to end at 1 000 records/s, p50: Moldau / bare round trip + fdatasync';
  t.deepEqual(regressions(reached(measured), { [time]: 2.1 }), []);
  t.is(regressions(reached(measured), { [time]: 1.9 }).length, 1);
});
