import { type Clock, hasReason, MoldauError, silentLogger } from '@moldau/kernel';
import test from 'ava';
import { CallBudget } from '../src/call-budget.ts';
import type { CallMemory } from '../src/call-memory.ts';
import { defaultLimits } from '../src/limits.ts';

/** A budget of 100 bytes, 60 for each connection, and calls that note the reason of their end. */
function budgetOf100() {
  let nowMs = 0;
  const clock: Clock = { wallMs: () => nowMs, monotonicMs: () => nowMs };
  const lines: unknown[] = [];
  const logger = { ...silentLogger, warn: (_: string, fields?: object) => lines.push(fields) };
  const budget = new CallBudget({ ...defaultLimits, heldBytesMax: 100, connectionHeldBytesMax: 60 }, { clock, logger });
  const ended: string[] = [];
  const open = (connection: string, name: string, mayEnd = true): CallMemory => {
    const call = budget.open(connection);
    call.onCut((error) => {
      if (mayEnd) ended.push(`${name} ${error.reason}`);
      return mayEnd;
    });
    return call;
  };
  const after = async (ms: number): Promise<void> => {
    nowMs += ms;
    await Promise.resolve();
  };
  return { budget, ended, lines, open, after };
}

const refused = (call: CallMemory): boolean => {
  try {
    call.requireRoom();
    return false;
  } catch (error) {
    return hasReason(error, 'OVERLOADED');
  }
};

test('within its limits nobody is ended or refused', async (t) => {
  const { budget, ended, open, after } = budgetOf100();
  const calls = ['a', 'b', 'c'].map((name) => open(name, name));
  for (const call of calls) call.received.hold(20);
  calls[0]?.unsent.hold(40);
  await after(10_000);
  t.is(budget.heldBytes, 100);
  t.deepEqual(ended, []);
  t.false(refused(open('d', 'd')));
});

test('a connection beyond its limit loses the call that holds most, and others lose nothing', async (t) => {
  const { budget, ended, open, after, lines } = budgetOf100();
  const other = open('b', 'b');
  other.received.hold(35);
  open('a', 'a1').received.hold(10);
  open('a', 'a2').unsent.hold(40);
  const third = open('a', 'a3');
  third.received.hold(5);
  await after(0);
  t.deepEqual(ended, []);
  third.unsent.hold(7);
  await after(0);
  t.deepEqual(ended, ['a2 OVERLOADED']);
  t.is(budget.heldBytes, 57);
  t.deepEqual(lines, [{ calls: 1, heldBytes: 57 }]);
});

test('a server beyond its limit ends calls of any connection, the largest first, and leaves the rest alone', async (t) => {
  const { budget, ended, open, after } = budgetOf100();
  for (const [name, bytes] of Object.entries({ a: 12, b: 21, c: 18, d: 26, e: 30 }))
    open(name, name).received.hold(bytes);
  await after(0);
  t.deepEqual(ended, ['e OVERLOADED', 'd OVERLOADED']);
  t.is(budget.heldBytes, 51);
});

test('whoever moves on stays before whoever stands still with less', async (t) => {
  const { ended, open, after } = budgetOf100();
  const moving = open('a', 'moving');
  moving.unsent.hold(50);
  open('b', 'still').unsent.hold(30);
  for (let n = 0; n < 20; n += 1) {
    await after(100);
    moving.unsent.free(1);
    moving.unsent.hold(1);
  }
  await after(10);
  open('c', 'last').received.hold(25);
  await after(0);
  t.deepEqual(ended, ['still OVERLOADED']);
});

test('an idle call that takes something stands still from then on, not from before', async (t) => {
  const { ended, open, after } = budgetOf100();
  const fresh = open('a', 'fresh');
  await after(60_000);
  open('b', 'still').received.hold(40);
  await after(1_000);
  fresh.received.hold(45);
  open('c', 'c').received.hold(20);
  await after(0);
  t.deepEqual(ended, ['still OVERLOADED']);
});

test('a call that may not be ended is passed over, and no call is opened while only such are left', async (t) => {
  const { budget, ended, open, after } = budgetOf100();
  const running = ['a', 'b'].map((name) => open(name, name, false));
  for (const call of running) call.received.hold(55);
  const small = open('c', 'c');
  small.received.hold(5);
  await after(0);
  t.deepEqual(ended, ['c OVERLOADED']);
  t.is(budget.heldBytes, 110);
  t.true(refused(open('d', 'd')));
  running[0]?.end();
  t.is(budget.heldBytes, 55);
  t.false(refused(open('d', 'd')));
});

test('a connection that holds much gets no new call while memory is short; one that holds little does', (t) => {
  const { open } = budgetOf100();
  open('a', 'a').received.hold(50);
  t.true(refused(open('a', 'a2')), 'near the limit of its connection');
  open('b', 'b').received.hold(30);
  open('c', 'c').received.hold(10);
  t.false(refused(open('c', 'c2')));
  open('d', 'd').received.hold(9);
  t.false(refused(open('d', 'd2')));
  open('b', 'b2').received.hold(1);
  t.true(refused(open('b', 'b3')), 'more than an even share of a server that is nearly full');
});

test('streams are told to buffer little from half of a limit on', (t) => {
  const { open } = budgetOf100();
  const first = open('a', 'a');
  const other = open('b', 'b');
  first.unsent.hold(30);
  t.deepEqual([first.isShort, other.isShort], [false, false]);
  first.unsent.hold(1);
  t.deepEqual([first.isShort, other.isShort], [true, false]);
  other.received.hold(20);
  t.deepEqual([first.isShort, other.isShort], [true, true]);
});

test('what a call holds when it ends is free, and what it says later counts for nothing', async (t) => {
  const { budget, ended, open, after } = budgetOf100();
  const call = open('a', 'a');
  call.received.hold(10);
  call.unsent.hold(10);
  call.end();
  call.end();
  call.received.hold(1_000);
  call.received.free(10);
  t.is(budget.heldBytes, 0);
  t.false(call.cut(new MoldauError('OVERLOADED', 'full')));
  await after(0);
  t.deepEqual(ended, []);
});
