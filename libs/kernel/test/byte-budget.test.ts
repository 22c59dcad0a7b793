import { ByteBudget, hasReason } from '@moldau/kernel';
import test from 'ava';

const never = new AbortController().signal;

/** Lets everything happen that follows from what was done. */
const quiet = async (): Promise<void> => {
  for (let n = 0; n < 10; n += 1) await Promise.resolve();
};

test('room is given in the order of arrival, and at most one hold goes beyond the limit', async (t) => {
  const budget = new ByteBudget('memory', 100);
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
  const budget = new ByteBudget('memory', 100);
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
  const budget = new ByteBudget('memory', 100);
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

test('whoever takes what there is room for never goes beyond the limit', (t) => {
  const budget = new ByteBudget('memory', 100);
  t.is(budget.take(70), 70);
  t.is(budget.take(70), 30);
  t.is(budget.take(70), 0);
  budget.hold(20);
  t.is(budget.take(1), 0);
  t.is(budget.heldBytes, 120);
});

test('where there is room, nobody waits', async (t) => {
  const budget = new ByteBudget('memory', 100);
  t.true(await budget.holdInTurn(150, never));
  t.is(budget.heldBytes, 150);
});
