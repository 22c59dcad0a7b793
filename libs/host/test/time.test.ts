import test from 'ava';
import { bootId } from '../src/boot-id.ts';
import { hostRandom } from '../src/random.ts';
import { hostClock, hostTimers } from '../src/time.ts';

test('a timer does not fire early, and not at all once cancelled', async (t) => {
  // The timers under test do not keep the test's own process alive.
  const awake = setInterval(() => {}, 1_000);
  t.teardown(() => clearInterval(awake));
  for (const ms of [0, 1, 7, 20]) {
    const startedMs = hostClock.monotonicMs();
    await new Promise<void>((resolve) => hostTimers.after(ms, resolve));
    t.true(hostClock.monotonicMs() - startedMs >= ms);
  }
  const cancel = hostTimers.after(1, () => t.fail());
  hostTimers.after(2 ** 40, () => t.fail());
  cancel();
  await new Promise<void>((resolve) => hostTimers.after(10, resolve));
});

test('clocks, random numbers and the boot id', async (t) => {
  t.true(Math.abs(hostClock.wallMs() - Date.now()) < 1_000);
  t.true(hostRandom.next() < 1);
  t.is(hostRandom.bytes(16).length, 16);
  t.notDeepEqual(hostRandom.bytes(16), hostRandom.bytes(16));
  t.is(await bootId(), await bootId());
  t.true((await bootId()).length > 8);
});
