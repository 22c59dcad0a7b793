import { ByteBudget } from '@moldau/kernel';
import test from 'ava';
import fc from 'fast-check';
import { type CreditLine, CreditPool, newLine } from '../src/credit-pool.ts';

const KiB = 1024;
const windowBytes = 1024 * KiB;

function pool(lines: number, budgetBytes = 64 * windowBytes) {
  const budget = new ByteBudget('memory', budgetBytes);
  const credit = new CreditPool(windowBytes, budget);
  const all = Array.from({ length: lines }, newLine);
  for (const line of all) credit.add(line);
  return { budget, credit, all };
}

const outstanding = (lines: readonly CreditLine[]): number =>
  lines.reduce((sum, { outstandingBytes }) => sum + Math.max(0, outstandingBytes), 0);

test('without credit nobody is granted anything; with any credit, everyone may send one batch', (t) => {
  const { credit, all } = pool(3);
  t.deepEqual(
    all.map((line) => credit.grant(line)),
    [0, 0, 0],
  );
  credit.give(1n);
  t.deepEqual(
    all.map((line) => credit.grant(line)),
    [1, 1, 1],
  );
  t.deepEqual(
    all.map((line) => credit.grant(line)),
    [0, 0, 0],
  );
});

test('a node that uses what it gets is granted more each time, up to its fair share', (t) => {
  const { credit, all } = pool(2);
  const [busy, quiet] = all;
  if (busy === undefined || quiet === undefined) return t.fail();
  credit.give(BigInt(16 * windowBytes));
  credit.grant(quiet);
  const granted: number[] = [];
  for (let i = 0; i < 6; i += 1) {
    credit.grant(busy);
    granted.push(busy.outstandingBytes / KiB);
    credit.received(busy, busy.outstandingBytes);
  }
  t.deepEqual(granted, [128, 256, 512, 512, 512, 512]);
  t.is(quiet.outstandingBytes / KiB, 128);
});

test('a batch larger than the rest is paid back first', (t) => {
  const { credit, all } = pool(1);
  const [line] = all;
  if (line === undefined) return t.fail();
  credit.give(10n);
  t.is(credit.grant(line), 10);
  credit.received(line, 5_000);
  credit.spend(5_000);
  t.is(line.outstandingBytes, -4_990);
  t.is(credit.grant(line), 0);
  credit.give(4_990n);
  t.is(credit.grant(line), 0, 'nothing is left over');
  credit.give(1n);
  t.is(credit.grant(line), 4_991);
  t.is(line.outstandingBytes, 1);
});

test('when the memory of the process is taken, a node may still send one batch at a time', (t) => {
  const { budget, credit, all } = pool(2, 100 * KiB);
  credit.give(BigInt(windowBytes));
  t.deepEqual(
    all.map((line) => credit.grant(line)),
    [100 * KiB, 1],
  );
  t.true(budget.isFull);
  for (const line of all) credit.remove(line);
  t.is(budget.heldBytes, 0);
});

test('beyond one batch, no node is granted what the client may not get; and memory is given back', (t) => {
  const step = fc.record({
    line: fc.nat(3),
    give: fc.option(fc.integer({ min: 1, max: 300 * KiB })),
    batchBytes: fc.integer({ min: 1, max: 200 * KiB }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { budget, credit, all } = pool(4);
      let held = 0;
      for (const { line: index, give, batchBytes } of steps) {
        if (give !== null) credit.give(BigInt(give));
        for (const line of all) {
          const granted = credit.grant(line);
          if (granted > 0 && credit.leftBytes <= 0) return false;
          const isMore = granted > 0 && line.outstandingBytes > 1;
          if (isMore && outstanding(all) > Math.min(credit.leftBytes, windowBytes)) return false;
        }
        const line = all[index];
        if (line === undefined || line.outstandingBytes <= 0) continue;
        credit.received(line, batchBytes);
        held += batchBytes;
        if (credit.leftBytes <= 0) continue;
        credit.spend(held);
        credit.free(held);
        held = 0;
      }
      credit.free(held);
      for (const line of all) credit.remove(line);
      return budget.heldBytes === 0;
    }),
  );
  t.pass();
});
