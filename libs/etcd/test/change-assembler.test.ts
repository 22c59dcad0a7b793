import test from 'ava';
import type { IEvent } from 'etcd3';
import fc from 'fast-check';
import { ChangeAssembler } from '../src/change-assembler.ts';

const event = (revision: number, key: string): IEvent => {
  const kv = {
    key: Buffer.from(key),
    value: Buffer.from('v'),
    create_revision: '1',
    mod_revision: String(revision),
    version: '1',
    lease: '0',
  };
  return { type: 'Put', kv, prev_kv: kv };
};

test('a revision that lies in two fragments is one change', (t) => {
  const assembler = new ChangeAssembler();
  t.deepEqual(assembler.add([event(5, 'a')], true), []);
  const [five, ...rest] = assembler.add([event(5, 'b'), event(6, 'a'), event(6, 'b')], true);
  t.deepEqual([five?.revision, five?.events.length, rest.length], [5n, 2, 0]);
  const [six] = assembler.add([event(6, 'c')], false);
  t.deepEqual([six?.revision, six?.events.length], [6n, 3]);
  t.deepEqual(assembler.add([], false), []);
});

test('however a run of revisions is cut, each is shown once and whole', (t) => {
  const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(sizes, fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 20 }), (revisions, cuts) => {
      const events = revisions.flatMap((count, i) =>
        Array.from({ length: count }, (_, j) => event(i + 10, `${i}/${j}`)),
      );
      const assembler = new ChangeAssembler();
      const changes = [];
      for (let at = 0, i = 0; at < events.length; i++) {
        const piece = events.slice(at, at + (cuts[i] ?? events.length));
        at += piece.length;
        changes.push(...assembler.add(piece, at < events.length));
      }
      t.deepEqual(
        changes.map((change) => [change.revision, change.events.length]),
        revisions.map((count, i) => [BigInt(i + 10), count]),
      );
    }),
    { seed: 11 },
  );
});
