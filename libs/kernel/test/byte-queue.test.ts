import { ByteQueue } from '@moldau/kernel';
import test from 'ava';
import fc from 'fast-check';

const queue = (limitBytes: number): ByteQueue<string> => new ByteQueue(limitBytes, (item) => item.length);

test('it refuses what does not fit, but for one item in an empty queue', (t) => {
  const items = queue(5);
  t.true(items.push('much too long'));
  t.false(items.push('a'));
  t.is(items.shift(), 'much too long');
  t.true(items.push('abc'));
  t.true(items.push('de'));
  t.false(items.push('f'));
  t.is(items.bytes, 5);
  t.deepEqual(items.drain(), ['abc', 'de']);
  t.is(items.bytes, 0);
  t.is(items.shift(), undefined);
});

test('it gives back what it took, in order, and its bytes are those of its items', (t) => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.string({ maxLength: 9 }), { nil: undefined }), { maxLength: 400 }), (steps) => {
      const items = queue(100);
      const model: string[] = [];
      for (const step of steps) {
        if (step === undefined) {
          if (items.shift() !== model.shift()) return false;
        } else if (items.push(step)) model.push(step);
        if (items.length !== model.length || items.bytes !== model.join('').length) return false;
      }
      return JSON.stringify(items.drain()) === JSON.stringify(model);
    }),
    { seed: 1, numRuns: 300 },
  );
  t.pass();
});
