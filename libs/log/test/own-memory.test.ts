import test from 'ava';
import fc from 'fast-check';
import { freeMemory, ownMemory } from '../src/own-memory.ts';

test('whatever a frame holds, freeing one batch of it leaves every other one as it was', (t) => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 1_500 }), fc.constant(100_000)), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(sizes, fc.nat(40), (lengths, between) => {
      const frame = new Uint8Array(lengths.reduce((sum, length) => sum + between + length, 0));
      let at = 0;
      const batches = lengths.map((length, index) => {
        at += between + length;
        return frame.subarray(at - length, at).fill(index + 1);
      });
      const owned = batches.map(ownMemory);
      return owned.every((freed, index) => {
        freeMemory(freed);
        const others = owned.slice(index + 1);
        return freed.length === 0 && others.every((bytes, i) => bytes.every((byte) => byte === index + i + 2));
      });
    }),
  );
  t.pass();
});

test('a batch that has a message for itself is not copied', (t) => {
  const message = new Uint8Array(100_000);
  const batch = message.subarray(30, 99_990);
  t.is(ownMemory(batch), batch);
});
