import test from 'ava';
import { AppendBudget } from '../src/append-budget.ts';
import { AppendCredit } from '../src/append-credit.ts';

const KiB = 1024;

test('sessions share the budget, down to a window that still carries a batch', (t) => {
  const budget = new AppendBudget(1024 * KiB);
  t.is(budget.windowBytes(256 * KiB), 256 * KiB);
  const leave = Array.from({ length: 8 }, () => budget.join());
  t.is(budget.windowBytes(256 * KiB), 128 * KiB);
  for (let n = 0; n < 100; n += 1) budget.join();
  t.is(budget.windowBytes(256 * KiB), 64 * KiB);
  for (const one of leave) one();
  t.is(budget.windowBytes(256 * KiB), 64 * KiB);
});

test('credit shrinks and grows with the share of its session, and is never lost', (t) => {
  const budget = new AppendBudget(1024 * KiB);
  const credit = new AppendCredit(budget, 256 * KiB);
  const leaveOwn = credit.begin();
  t.is(credit.takeUnsaid(), 256 * KiB);
  const leave = Array.from({ length: 7 }, () => budget.join());
  // Of the first 128 KiB nothing comes back: so much is the window too large.
  credit.spend(100 * KiB);
  credit.giveBack(100 * KiB);
  t.is(credit.takeUnsaid(), undefined);
  t.is(credit.windowBytes, 156 * KiB);
  credit.spend(100 * KiB);
  credit.giveBack(100 * KiB);
  t.is(credit.windowBytes, 128 * KiB);
  t.is(credit.takeUnsaid(), 72 * KiB);
  for (const one of leave) one();
  credit.spend(KiB);
  credit.giveBack(KiB);
  t.is(credit.takeUnsaid(), 129 * KiB);
  t.false(credit.isOverdrawn);
  credit.spend(256 * KiB);
  t.true(credit.isOverdrawn);
  leaveOwn();
});

test('a window is announced when it is worth a frame', (t) => {
  const credit = new AppendCredit(new AppendBudget(1024 * KiB), 80 * KiB);
  credit.begin();
  credit.takeUnsaid();
  credit.spend(20 * KiB);
  credit.giveBack(9 * KiB);
  t.is(credit.takeUnsaid(), undefined);
  credit.giveBack(KiB);
  t.is(credit.takeUnsaid(), 10 * KiB);
});
