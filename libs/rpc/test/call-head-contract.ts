import { silentLogger } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import type { TestFn } from 'ava';
import { serve } from '../src/transport.ts';
import { first, type Open } from './transport-contract.ts';

const { append, appendSession } = LogService.method;

const leftOf = (timeLeftMs: () => number | undefined): bigint => BigInt(Math.ceil(timeLeftMs() ?? 0));

/** What a call says before its first message, over every transport alike. */
export function callHeadContract(test: TestFn, open: Open): void {
  test('a call that is passed on says so, and brings what is left of its time', async (t) => {
    const served = serve(LogService, {
      append: async (_, { forwarded, timeLeftMs }) => ({
        partition: forwarded ? 1 : 0,
        timestampMs: leftOf(timeLeftMs),
      }),
      appendSession: async (session, { forwarded, timeLeftMs }) => {
        t.is(timeLeftMs(), undefined);
        session.send({ frame: { case: 'drain', value: { graceMs: forwarded ? 1 : 0 } } });
      },
    });
    const { address, dialer } = await open(t, [served], { logger: silentLogger });
    const channel = dialer.dial(address, 'data');
    t.teardown(() => channel.close());
    const own = await channel.unary(append, {});
    const passedOn = await channel.unary(append, {}, { forwarded: true, timeoutMs: 5_000 });
    t.deepEqual([own.partition, passedOn.partition], [0, 1]);
    t.true(own.timestampMs > 60_000n && own.timestampMs <= 70_000n, 'the deadline of the method');
    t.true(passedOn.timestampMs > 0n && passedOn.timestampMs <= 5_000n);
    for (const forwarded of [false, true]) {
      const said = await first(channel.session(appendSession, { forwarded }).incoming);
      t.is(said?.frame.case === 'drain' && said.frame.value.graceMs, forwarded ? 1 : 0);
    }
  });
}
