import type { MoldauError } from '@moldau/kernel';
import type { Channel, Session } from '@moldau/rpc';
import { VirtualTime } from '@moldau/testing';
import test from 'ava';
import { AppendLink } from '../src/append-link.ts';

/** A node that says that it lives, and answers nothing. */
function muteNode(time: VirtualTime): { channel: Channel; isCancelled: () => boolean } {
  let end = (): void => {};
  let cancelled = false;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  async function* incoming(): AsyncGenerator<object> {
    for (;;) {
      const tick = new Promise<'alive'>((resolve) => time.after(1_000, () => resolve('alive')));
      if ((await Promise.race([tick, ended])) !== 'alive') return;
      yield { frame: { case: 'heartbeat', value: {} } };
    }
  }
  const session = {
    incoming: incoming(),
    signal: new AbortController().signal,
    send: () => true,
    drained: () => Promise.resolve(),
    end: () => {},
    cancel: () => {
      cancelled = true;
      end();
    },
  } as unknown as Session<never, never>;
  const channel = { address: 'mute:1', session: () => session } as unknown as Channel;
  return { channel, isCancelled: () => cancelled };
}

test('an answer that is lost while the node lives ends the session: what was sent may be written', async (t) => {
  const time = new VirtualTime();
  const { channel, isCancelled } = muteNode(time);
  const link = new AppendLink(channel, { clock: time, timers: time }, { onRoom: () => {}, onEnd: () => {} });
  const handle = link.open({ topicId: 't', partition: 0, epoch: 1 }, () => {});
  const told: (MoldauError | undefined)[] = [];
  link.send(handle, new Uint8Array(10), 4_000, (error) => told.push(error));
  await time.runFor(8_000);
  t.false(isCancelled());
  await time.runFor(3_000);
  t.true(isCancelled());
  t.deepEqual(
    told.map((error) => [error?.reason, error?.outcome]),
    [['UNREACHABLE', 'UNKNOWN']],
  );
});
