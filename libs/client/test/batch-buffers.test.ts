import test from 'ava';
import { BatchBuffers } from '../src/batch-buffers.ts';

const size = 64 * 1024;

test('a buffer is used again, unless somebody may still look at it, or it is another one', (t) => {
  const buffers = new BatchBuffers(size, 4 * size);
  const first = buffers.take(size);
  t.is(first.length, size);
  buffers.giveBack(first.length, first);
  t.is(buffers.take(size), first);
  buffers.giveBack(first.length, undefined);
  t.not(buffers.take(size), first);
  buffers.giveBack(size, Buffer.alloc(2 * size));
  t.is(buffers.take(size).length, size);
});

test('whole ones take no more than the records may; what is likely to stay small gets little', (t) => {
  const buffers = new BatchBuffers(size, 4 * size);
  const whole = Array.from({ length: 4 }, () => buffers.take(size));
  t.true(whole.every(({ length }) => length === size));
  t.true(buffers.take(size).length < size / 8);
  const [first] = whole;
  buffers.giveBack(size, first);
  t.is(buffers.take(size), first as Buffer);
  t.true(buffers.take(3_000).length < 4_000);
});
