import test from 'ava';
import { sharesOf } from '../src/shares.ts';

test('clients share the records, and leave none', (t) => {
  t.deepEqual(sharesOf(10, 1), [{ client: 0, before: 0, records: 10 }]);
  t.deepEqual(
    sharesOf(10, 3).map(({ records }) => records),
    [3, 3, 4],
  );
  for (const share of sharesOf(1_000_003, 7)) t.true(Math.abs(share.records - 1_000_003 / 7) < 1);
});
