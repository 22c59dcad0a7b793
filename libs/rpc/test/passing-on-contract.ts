import { silentLogger } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import type { TestFn } from 'ava';
import { asReceived } from '../src/as-received.ts';
import { serve } from '../src/transport.ts';
import { all, type Open } from './transport-contract.ts';

const { fetchSession } = LogService.method;

/** What passes through a process unchanged, over every transport alike. */
export function passingOnContract(test: TestFn, open: Open): void {
  test('a message that is passed on as it came arrives as it left; one that was changed arrives changed', async (t) => {
    const sizes = [10, 1_000, 300_000];
    const source = serve(LogService, {
      fetchSession: async (session) => {
        for (const [handle, bytes] of sizes.entries()) {
          const batches = new Uint8Array(bytes).fill(handle + 1);
          session.send({ frame: { case: 'batches', value: { entries: [{ handle, batches, highWatermark: 7n }] } } });
        }
        session.end();
      },
    });
    const first = await open(t, [source], { logger: silentLogger });
    const toSource = first.dialer.dial(first.address, 'data');
    t.teardown(() => toSource.close());
    const between = serve(LogService, {
      fetchSession: async (session) => {
        for await (const message of toSource.session(fetchSession).incoming) {
          session.send(asReceived(message));
          const { frame } = message;
          if (frame.case === 'batches') for (const entry of frame.value.entries) entry.handle += 100;
          session.send({ frame });
        }
      },
    });
    const second = await open(t, [between], { logger: silentLogger });
    const channel = second.dialer.dial(second.address, 'data');
    t.teardown(() => channel.close());
    const entries = (await all(channel.session(fetchSession).incoming)).flatMap(({ frame }) =>
      frame.case === 'batches' ? frame.value.entries : [],
    );
    t.deepEqual(
      entries.map(({ handle, batches, highWatermark }) => [handle, batches.length, batches[0], highWatermark]),
      sizes.flatMap((bytes, handle) => [
        [handle, bytes, handle + 1, 7n],
        [handle + 100, bytes, handle + 1, 7n],
      ]),
    );
  });
}
