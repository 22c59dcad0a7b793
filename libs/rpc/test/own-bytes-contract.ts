import { assert, silentLogger } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import type { ExecutionContext, TestFn } from 'ava';
import { type Channel, type Handlers, serve } from '../src/transport.ts';
import type { Open } from './transport-contract.ts';

const { append, fetchSession } = LogService.method;

/** Whose the bytes of a message are, over every transport alike. */
export function ownBytesContract(test: TestFn, open: Open): void {
  const served = async (t: ExecutionContext, handlers: Handlers<typeof LogService>): Promise<Channel> => {
    const { dialer, address } = await open(t, [serve(LogService, handlers)], { logger: silentLogger });
    const channel = dialer.dial(address, 'data');
    t.teardown(() => channel.close());
    return channel;
  };

  test('what a server has sent is its own again: it may change, and its memory may be freed', async (t) => {
    const frames = 50;
    const channel = await served(t, {
      fetchSession: async (session) => {
        for (let i = 0; i < frames; i += 1) {
          const whole = new Uint8Array(20_000).fill(i);
          const parts = [whole.subarray(0, 15_000), whole.subarray(15_000)];
          const entries = parts.map((batches) => ({ handle: i, batches, from: 0n, generation: 0 }));
          const isRoom = session.send({ frame: { case: 'batches', value: { entries } } });
          whole.fill(255);
          if (i % 2 === 0) whole.buffer.transfer(0);
          if (!isRoom) await session.drained();
        }
        session.end();
      },
    });
    const session = channel.session(fetchSession);
    let seen = 0;
    for await (const { frame } of session.incoming) {
      assert(frame.case === 'batches', 'the server sends batches');
      for (const { handle, batches } of frame.value.entries) t.true(batches.every((byte) => byte === handle));
      t.is(
        frame.value.entries.reduce((sum, { batches }) => sum + batches.length, 0),
        20_000,
      );
      seen += 1;
    }
    t.is(seen, frames);
  });

  test('a received message may be written to', async (t) => {
    const channel = await served(t, {
      append: async ({ batch }) => {
        batch.fill(9);
        return {};
      },
    });
    const batch = new Uint8Array([1, 2, 3]);
    await channel.unary(append, { batch });
    t.deepEqual([...batch], [1, 2, 3]);
  });
}
