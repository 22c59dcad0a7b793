import test from 'ava';
import { ForeignValue, NumberedValues, sumWritten, ValueCheck } from '../src/index.ts';

const valueBytes = 100;

function written(writer: number, numbers: readonly number[]): Buffer[] {
  const values = new NumberedValues(valueBytes, writer);
  return numbers.map((number) => Buffer.from(values.at(number)));
}

test('what was written is taken, of several writers and partitions', (t) => {
  const check = new ValueCheck(valueBytes);
  const numbers = Array.from({ length: 1_000 }, (_, number) => number);
  for (const value of written(1, numbers)) check.take(0, value, 0n);
  for (const [index, value] of written(2, numbers).entries()) check.take(index % 3, value, 0n);
  t.deepEqual({ records: check.records, numbers: check.numbers }, sumWritten([1_000, 1_000]));
  const large = 2 ** 40 + 5;
  t.is(check.take(0, written(3, [large])[0] ?? null, 0n), large);
});

test('what is missing, there twice, out of order, cut or changed is found', (t) => {
  const take = (...values: readonly (Uint8Array | null)[]): ValueCheck => {
    const check = new ValueCheck(valueBytes);
    for (const [at, value] of values.entries()) check.take(0, value, BigInt(at));
    return check;
  };
  t.notDeepEqual(take(...written(0, [0, 1, 3])).numbers, sumWritten([3]).numbers);
  t.throws(() => take(...written(0, [0, 1, 1])), { message: /number 1 of writer 0 behind 1/ });
  t.throws(() => take(...written(0, [0, 2, 1])), { message: /number 1 of writer 0 behind 2/ });
  const [first = Buffer.alloc(0), changed = Buffer.alloc(0)] = written(0, [0, 61]);
  changed[50] = 0;
  t.throws(() => take(first, changed), { message: 'the value of number 61 is not what was written' });
});

test('what others wrote is told from what was lost', (t) => {
  const take = (value: Uint8Array | null): number => new ValueCheck(valueBytes).take(2, value, 7n);
  const holds = (what: string) => ({ instanceOf: ForeignValue, message: `offset 7 of partition 2 holds ${what}` });
  t.throws(() => take(null), holds('no value, not 100'));
  t.throws(() => take(Buffer.alloc(12)), holds('12 bytes, not 100'));
  t.throws(() => take(Buffer.alloc(valueBytes, 'x')), holds('another text'));
});
