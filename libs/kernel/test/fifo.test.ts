import test from 'ava';
import fc from 'fast-check';
import { Fifo } from '../src/index.ts';

test('it is a list of which the first go first', (t) => {
  const step = fc.oneof(
    fc.nat(200).map((count) => ({ kind: 'push' as const, count })),
    fc.nat(200).map((count) => ({ kind: 'shift' as const, count })),
    fc.nat(300).map((count) => ({ kind: 'cut' as const, count })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const fifo = new Fifo<number>();
      let model: number[] = [];
      let next = 0;
      for (const { kind, count } of steps) {
        if (kind === 'cut') {
          const left = Math.min(count, model.length);
          t.deepEqual(fifo.cut(left), model.slice(left));
          model = model.slice(0, left);
          continue;
        }
        for (let i = 0; i < count; i += 1) {
          if (kind === 'shift') t.is(fifo.shift(), model.shift());
          else {
            fifo.push(next);
            model.push(next);
            next += 1;
          }
        }
        t.is(fifo.length, model.length);
        t.is(fifo.at(-1), undefined);
        t.deepEqual(
          [fifo.at(0), fifo.at(model.length - 1), fifo.at(model.length)],
          [model[0], model.at(-1), undefined],
        );
      }
    }),
    { seed: 7, numRuns: 60 },
  );
});
