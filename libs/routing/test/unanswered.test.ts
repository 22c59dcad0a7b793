import test from 'ava';
import { Unanswered } from '../src/index.ts';

const nobody = {};

test('an entry is found by sequence, once, in whatever order the answers come', (t) => {
  const waiting = new Unanswered<object>();
  const all = Array.from({ length: 5 }, () => ({}));
  t.deepEqual(
    all.map((one) => waiting.add(one)),
    [0n, 1n, 2n, 3n, 4n],
  );
  t.is(waiting.take(2n), all[2]);
  t.is(waiting.take(2n), undefined);
  t.is(waiting.take(0n), all[0]);
  t.is(waiting.take(1n), all[1]);
  t.is(waiting.add(nobody), 5n);
  t.is(waiting.take(3n), all[3]);
  t.is(waiting.take(4n), all[4]);
  t.false(waiting.isEmpty);
  t.is(waiting.take(5n), nobody);
  t.true(waiting.isEmpty);
});

test('a sequence that nobody has sent is nobody’s', (t) => {
  const waiting = new Unanswered<object>();
  waiting.add(nobody);
  for (const strange of [1n, 2n ** 63n, -1n]) t.is(waiting.take(strange), undefined);
  t.false(waiting.isEmpty);
});

test('what is left is taken in order, and the numbers go on behind it', (t) => {
  const waiting = new Unanswered<object>();
  const all = Array.from({ length: 3 }, () => ({}));
  for (const one of all) waiting.add(one);
  waiting.take(1n);
  t.deepEqual(waiting.takeAll(), [all[0], all[2]]);
  t.true(waiting.isEmpty);
  t.is(waiting.add(nobody), 3n);
});

test('a hundred thousand that are answered behind one that is not cost no time when that one is', (t) => {
  const waiting = new Unanswered<object>();
  for (let i = 0; i < 100_000; i += 1) waiting.add(nobody);
  for (let i = 1n; i < 100_000n; i += 1n) waiting.take(i);
  const startedAt = performance.now();
  t.is(waiting.take(0n), nobody);
  t.true(performance.now() - startedAt < 200);
  t.true(waiting.isEmpty);
  t.is(waiting.add(nobody), 100_000n);
});
