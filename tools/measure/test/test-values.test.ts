import test from 'ava';
import { RecordSum, sumOf, TestValues } from '../src/test-values.ts';

const values = new TestValues(100);

/** The sum of records that came in this order, at these offsets. */
function sumOfOffsets(offsets: readonly number[], change: (value: Buffer) => void = () => {}): string {
  const sum = new RecordSum();
  for (const offset of offsets) {
    const value = values.at(offset);
    change(value);
    sum.add(BigInt(offset), value);
  }
  return sum.digest;
}

test('values are text of their size without line ends, and all differ', (t) => {
  const made = Array.from({ length: 1_000 }, (_, offset) => values.at(offset).toString());
  t.true(made.every((value) => /^\d+ [a-z0-9]+$/.test(value) && value.length === 100));
  t.is(new Set(made).size, 1_000);
});

test('a sum agrees only when every record came once, unchanged and in order', (t) => {
  const expected = sumOf(values, 4);
  t.is(sumOfOffsets([0, 1, 2, 3]), expected);
  t.not(sumOfOffsets([0, 1, 2]), expected);
  t.not(sumOfOffsets([0, 1, 2, 2, 3]), expected);
  t.not(sumOfOffsets([0, 2, 1, 3]), expected);
  t.not(
    sumOfOffsets([0, 1, 2, 3], (value) => value.write('x', 50)),
    expected,
  );
});
