import { hasReason } from '@moldau/kernel';
import test from 'ava';
import { AppendBudget } from '../src/append-budget.ts';
import { AppendCredit } from '../src/append-credit.ts';

const KiB = 1024;
const never = new AbortController().signal;

/** Lets everything happen that follows from what was done. */
const quiet = async (): Promise<void> => {
  for (let n = 0; n < 10; n += 1) await Promise.resolve();
};

test('room is given in the order of arrival, and at most one hold goes beyond the limit', async (t) => {
  const budget = new AppendBudget(100);
  const admitted: string[] = [];
  const wait = (name: string, bytes: number): void =>
    void budget.holdInTurn(bytes, never).then((isHeld) => admitted.push(`${name} ${isHeld}`));
  t.true(budget.tryHold(60));
  t.true(budget.tryHold(60));
  t.is(budget.heldBytes, 120);
  t.false(budget.tryHold(1));
  t.true(
    hasReason(
      t.throws(() => budget.requireRoom()),
      'OVERLOADED',
    ),
  );
  for (const name of ['a', 'b', 'c', 'd']) wait(name, 30);
  budget.free(60);
  await quiet();
  t.deepEqual(admitted, ['a true', 'b true']);
  t.is(budget.heldBytes, 120);
  budget.free(30);
  await quiet();
  t.deepEqual(admitted, ['a true', 'b true', 'c true']);
});

test('whoever comes late does not pass those who wait', (t) => {
  const budget = new AppendBudget(100);
  budget.hold(100);
  void budget.holdInTurn(10, never);
  void budget.holdInTurn(100, never);
  budget.free(20);
  t.is(budget.heldBytes, 190);
  budget.free(85);
  t.is(budget.heldBytes, 105);
  t.false(budget.tryHold(1));
});

test('whoever leaves the line holds nothing, and those behind him move up', async (t) => {
  const budget = new AppendBudget(100);
  budget.hold(100);
  const leaving = new AbortController();
  const gone = budget.holdInTurn(50, leaving.signal);
  const next = budget.holdInTurn(30, never);
  leaving.abort();
  t.false(await gone);
  t.false(await budget.holdInTurn(50, leaving.signal));
  budget.free(40);
  t.true(await next);
  t.is(budget.heldBytes, 90);
});

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
