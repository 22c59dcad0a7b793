import { type MoldauError, silentLogger, silentMeter, sleep } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { serve } from '@moldau/rpc';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';
import { AppendLink } from '../src/append-link.ts';

test('an answer that is lost while the node lives ends the session: what was sent may be written', async (t) => {
  const { network, random, time } = new SimulatedCluster({ seed: 1 });
  let isOver = false;
  const mute = serve(LogService, {
    appendSession: async (session) => {
      session.signal.addEventListener('abort', () => {
        isOver = true;
      });
      while (!isOver) {
        session.send({ frame: { case: 'heartbeat', value: {} } });
        await sleep(time, 1_000);
      }
    },
  });
  network.listen('mute', [mute], { clock: time, timers: time, random, logger: silentLogger, meter: silentMeter });
  const channel = network.dialer('app').dial('mute', 'data');
  const link = new AppendLink(channel, { clock: time, timers: time }, { onRoom: () => {}, onEnd: () => {} });
  const handle = link.open({ topicId: 't', partition: 0, epoch: 1 }, () => {});
  const told: (MoldauError | undefined)[] = [];
  link.send(handle, new Uint8Array(10), 4_000, (error) => told.push(error));
  await time.runFor(8_000);
  t.deepEqual(told, []);
  await time.runFor(3_000);
  t.deepEqual(
    told.map((error) => [error?.reason, error?.outcome]),
    [['UNREACHABLE', 'UNKNOWN']],
  );
  await time.runFor(1_000);
  t.true(isOver);
});
