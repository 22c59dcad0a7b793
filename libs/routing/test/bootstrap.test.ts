import { MoldauError } from '@moldau/kernel';
import { Bootstrap, Connections } from '@moldau/routing';
import type { Channel, Dialer } from '@moldau/rpc';
import { SeededRandom, VirtualTime } from '@moldau/testing';
import test from 'ava';

/** A bootstrap whose channels only say which address they are of. */
function bootstrap(endpoints: readonly string[]) {
  const time = new VirtualTime();
  const dialer: Dialer = { dial: (address) => ({ address, close() {} }) as Channel };
  const connections = new Connections(dialer);
  return {
    time,
    bootstrap: new Bootstrap(endpoints, { connections, clock: time, timers: time, random: new SeededRandom(1) }),
  };
}

const down = new MoldauError('UNREACHABLE', 'down');

test('it goes on to the next address while an error says that this can help', async (t) => {
  const { time, bootstrap: any } = bootstrap(['a:1', 'b:1', 'c:1']);
  const asked: string[] = [];
  const answer = any.call(10_000, async ({ address }) => {
    asked.push(address);
    if (address !== 'c:1') throw down;
    return address;
  });
  t.is(await time.run(answer), 'c:1');
  t.deepEqual(asked, ['a:1', 'b:1', 'c:1']);
  t.is(await time.run(any.call(10_000, async ({ address }) => address)), 'c:1', 'the one that answered is asked first');
});

test('an error that no other address can help against is thrown at once', async (t) => {
  const { time, bootstrap: any } = bootstrap(['a:1', 'b:1']);
  let calls = 0;
  const failing = any.call(10_000, async () => {
    calls += 1;
    throw new MoldauError('UNKNOWN_TOPIC', 'no topic');
  });
  await t.throwsAsync(time.run(failing), { message: 'no topic' });
  t.is(calls, 1);
  t.is(any.address, 'a:1', 'who refuses for good has answered');
});

test('several calls that fail at one address go on to the next, not past it', async (t) => {
  const { time, bootstrap: any } = bootstrap(['a:1', 'b:1', 'c:1']);
  const answers = [1, 2, 3].map(() =>
    any.call(10_000, async ({ address }) => {
      if (address === 'a:1') throw down;
      return address;
    }),
  );
  t.deepEqual(await time.run(Promise.all(answers)), ['b:1', 'b:1', 'b:1']);
});

test('it gives up in time, with the last error', async (t) => {
  const { time, bootstrap: any } = bootstrap(['a:1']);
  const startedAt = time.monotonicMs();
  const failing = any.call(3_000, async () => {
    throw down;
  });
  await t.throwsAsync(time.run(failing), { is: down });
  t.true(time.monotonicMs() - startedAt <= 3_000);
});

test('a call is told how much of the time is left', async (t) => {
  const { time, bootstrap: any } = bootstrap(['a:1']);
  const left: number[] = [];
  const answer = any.call(5_000, async (_, timeoutMs) => {
    left.push(timeoutMs);
    if (left.length < 3) throw down;
    return 'done';
  });
  await time.run(answer);
  t.is(left[0], 5_000);
  t.true((left[2] ?? 0) < (left[1] ?? 0));
});
