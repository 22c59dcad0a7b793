import { sleep } from '@moldau/kernel';
import test from 'ava';
import { VirtualTime } from '../src/index.ts';

test('timers fire in the order of their times, and of their making', async (t) => {
  const time = new VirtualTime();
  const fired: string[] = [];
  time.after(5, () => fired.push('b'));
  time.after(1, () => fired.push('a'));
  time.after(5, () => fired.push('c'));
  await time.runFor(4);
  t.deepEqual(fired, ['a']);
  await time.runFor(1);
  t.deepEqual(fired, ['a', 'b', 'c']);
  t.is(time.monotonicMs(), 5);
});

test('a cancelled timer does not fire', async (t) => {
  const time = new VirtualTime();
  const cancel = time.after(1, () => t.fail());
  cancel();
  t.false(time.step());
  t.is(time.pending, 0);
});

test('promise chains settle between timers', async (t) => {
  const time = new VirtualTime();
  const seen: number[] = [];
  const chain = async (): Promise<void> => {
    for (let i = 0; i < 3; i += 1) {
      await sleep(time, 10);
      await Promise.resolve();
      seen.push(time.monotonicMs());
    }
  };
  await time.run(chain());
  t.deepEqual(seen, [10, 20, 30]);
});

test('the wall clock jumps alone', async (t) => {
  const time = new VirtualTime(1000);
  await time.runFor(7);
  time.jumpWall(-500);
  t.is(time.wallMs(), 507);
  t.is(time.monotonicMs(), 7);
});

test('waiting for what never comes is an error, not a hang', async (t) => {
  const time = new VirtualTime();
  await t.throwsAsync(time.runUntil(() => false));
  time.after(100, () => {});
  await t.throwsAsync(time.runUntil(() => false, 50));
});
