import type { Meter } from '@moldau/kernel';
import { appendSession, batchOf, fetchSession } from '@moldau/testing';
import test from 'ava';
import { behindGateway, createTopic, secondGateway } from './support.ts';

/** What was counted last, as `name{value of each label}`. */
function counted(): { meter: Meter; of: (name: string) => number } {
  const values = new Map<string, number>();
  const keyOf = (name: string, labels: Readonly<Record<string, string>> = {}): string =>
    `${name.replace('moldau_gateway_', '')}{${Object.values(labels)}}`;
  const meter: Meter = {
    counter: (name, _, labels) => {
      const key = keyOf(name, labels);
      return { add: (amount = 1) => values.set(key, (values.get(key) ?? 0) + amount) };
    },
    gauge: (name, _, labels) => ({ set: (value) => values.set(keyOf(name, labels), value), drop() {} }),
    histogram: () => ({ observe() {} }),
  };
  return { meter, of: (name) => values.get(name) ?? 0 };
}

test('a gateway tells of its sessions, its memory against its limits, what it refused, and which nodes it lost', async (t) => {
  const world = await behindGateway();
  const { cluster, time, weather } = world;
  const { id, ledBy } = await createTopic(world);
  const [partition = 0] = ledBy(2);
  const { meter, of } = counted();
  const gateway = await secondGateway(world, { appendBytes: 400_000, meter });
  const channel = cluster.network.dialer('app').dial('gateway-2', 'data');
  const writer = appendSession(channel);
  const reader = fetchSession(channel);
  writer.send({ frame: { case: 'open', value: { handle: 1, topicId: id, partition } } });
  reader.send({ frame: { case: 'add', value: { handle: 1, topicId: id, partition } } });
  await time.runFor(1_100);
  t.deepEqual(
    ['append', 'fetch'].map((way) => of(`sessions{${way}}`)),
    [1, 1],
  );
  t.deepEqual(
    ['append', 'fetch'].map((way) => of(`limit_bytes{${way}}`)),
    [400_000, 1_000_000],
  );

  weather.hold('gateway-2', 'node-2');
  const batch = batchOf(['x'.repeat(200_000)]);
  const entries = [0n, 1n, 2n].map((sequence) => ({ handle: 1, sequence, batch }));
  writer.send({ frame: { case: 'batches', value: { entries } } });
  await time.runFor(1_100);
  t.true(of('held_bytes{append}') > 200_000);

  cluster.network.cut('gateway-2', 'node-2');
  await time.runUntil(() => writer.of('moved').length === 1);
  writer.send({ frame: { case: 'batches', value: { entries: [{ handle: 1, sequence: 3n, batch }] } } });
  await time.runFor(1_100);
  t.is(of('held_bytes{append}'), 0);
  t.deepEqual(
    ['append', 'fetch'].map((way) => of(`lost_sessions_total{${way}}`)),
    [1, 1],
  );
  t.true(of('refused_entries_total{HANDLE_CLOSED}') >= 1);

  writer.cancel();
  reader.cancel();
  await time.runFor(1_100);
  t.deepEqual(
    ['append', 'fetch'].map((way) => of(`sessions{${way}}`)),
    [0, 0],
  );
  t.deepEqual(
    ['append', 'fetch'].map((way) => of(`lost_sessions_total{${way}}`)),
    [1, 1],
    'nobody was lost who was let go',
  );
  await gateway.stop();
});
