import test from 'ava';
import { NumberedValues, OrderedSum, sequenceOf, sumWritten } from '../src/numbered-values.ts';

test('a value says whose it is and which one, in so many bytes', (t) => {
  const values = new NumberedValues(3, 100);
  t.is(values.at(0).length, 100);
  t.is(sequenceOf(values.at(123_456_789_012)), 123_456_789_012);
  t.not(values.at(1), values.at(1));
  t.throws(() => new NumberedValues(0, 7), { message: /at least 8 bytes/ });
});

test('who reads all values of all clients in their order has the sum that was written', (t) => {
  const sum = new OrderedSum();
  const [one, other] = [new NumberedValues(0, 8), new NumberedValues(1, 8)];
  for (const value of [one.at(0), other.at(0), other.at(1), one.at(1), one.at(2)]) sum.add(value);
  t.deepEqual({ records: sum.records, sequences: sum.sequences }, sumWritten([3, 2]));
});

test('a value that comes again, or too late, is an error', (t) => {
  const values = new NumberedValues(0, 8);
  const sum = new OrderedSum();
  sum.add(values.at(5));
  t.throws(() => sum.add(values.at(5)), { message: 'record 5 of client 0 came after its record 5' });
  t.throws(() => sum.add(values.at(4)));
});

test('one lost and one read twice, by readers of their own, do not make the sum', (t) => {
  const values = new NumberedValues(0, 8);
  const readers = [new OrderedSum(), new OrderedSum()];
  for (const sequence of [0, 1]) readers[0]?.add(values.at(sequence));
  for (const sequence of [1, 3]) readers[1]?.add(values.at(sequence));
  const written = sumWritten([4]);
  t.is(
    readers.reduce((total, { records }) => total + records, 0),
    written.records,
  );
  t.not(
    readers.reduce((total, { sequences }) => total + sequences, 0),
    written.sequences,
  );
});
