import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { Acks } from '@moldau/proto/moldau/log/v1/record_pb';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';

/** Three nodes, and a topic with three copies of each partition. */
async function replicated(partitions = 1, seed = 4) {
  const show = (m: string, f?: object): void => {
    if (process.env.DBG)
      console.log(
        Math.round(cluster.time.monotonicMs()),
        m,
        JSON.stringify(f, (_k, v) => (typeof v === 'bigint' ? Number(v) : v instanceof Error ? v.message : v)),
      );
  };
  const logger = { debug: show, info: show, warn: show, error: show, with: () => logger } as never;
  const cluster: SimulatedCluster = new SimulatedCluster({ seed, nodes: 3, logger });
  const { time } = cluster;
  await time.run(cluster.start());
  const client = cluster.client('app', 60_000, time);
  await time.run(client.admin.createTopic({ name: 't', partitions, replicas: 3 }));
  const producer = client.producer({ topic: 't' });
  const send = (value: string) => time.run(producer.send({ partition: 0, value }));
  const copies = (partition = 0) =>
    cluster.nodes
      .filter(({ isRunning }) => isRunning)
      .map(({ id, service }) => ({
        id,
        partition: [...service.partitions].find(({ log }) => log.identity.partition === partition),
      }));
  const leader = () => {
    const found = copies().find(({ partition }) => partition?.role.kind === 'leader');
    if (found === undefined) throw new Error('nobody leads');
    return cluster.node(found.id);
  };
  const inSync = async () => {
    const { topic } = await time.run(client.admin.describeTopic('t'));
    return topic?.partitions[0]?.inSync.length;
  };
  const converged = (wanted: number) =>
    time.runUntil(() => {
      const all = copies();
      const ends = new Set(all.map(({ partition }) => partition?.log.durableEnd));
      const marks = new Set(all.map(({ partition }) => partition?.log.highWatermark));
      const leads = all.find(({ partition }) => partition?.leading !== undefined)?.partition?.leading;
      return ends.size === 1 && marks.size === 1 && leads?.committed.isr.length === wanted;
    }, 30_000);
  return { cluster, time, client, producer, send, copies, leader, inSync, converged };
}

const read = async ({ cluster, time }: Pick<Awaited<ReturnType<typeof replicated>>, 'cluster' | 'time'>) => {
  const values: (string | null)[] = [];
  const reader = cluster.client(`reader-${time.monotonicMs()}`, 60_000, time);
  const all = async (): Promise<void> => {
    for await (const { value } of reader.read('t', { from: 'start', until: 'end' })) values.push(value);
  };
  await time.run(all());
  return values;
};

test('an acknowledged record is on three disks', async (t) => {
  const world = await replicated();
  const { send, copies, converged } = world;
  for (let i = 0; i < 10; i += 1) await send(`record ${i}`);
  for (const { partition } of copies()) t.is(partition?.log.durableEnd, 10n as never);
  await converged(3);
  t.pass();
});

test('a leader dies: another one goes on with all that was acknowledged', async (t) => {
  const world = await replicated();
  const { send, leader, converged, time } = world;
  for (let i = 0; i < 10; i += 1) await send(`record ${i}`);
  const first = leader();
  first.kill('kill');
  for (let i = 10; i < 20; i += 1) await send(`record ${i}`);
  t.not(leader().id, first.id);
  await time.run(first.start());
  for (let i = 20; i < 30; i += 1) await send(`record ${i}`);
  await converged(3);
  t.deepEqual(
    await read(world),
    Array.from({ length: 30 }, (_, i) => `record ${i}`),
  );
});

test('a node that is stopped hands its leaderships over, and nobody sees an error', async (t) => {
  const world = await replicated();
  const { send, leader, time, converged } = world;
  for (let i = 0; i < 10; i += 1) await send(`record ${i}`);
  const first = leader();
  const stopped = first.stop();
  for (let i = 10; i < 20; i += 1) await send(`record ${i}`);
  await time.run(stopped);
  await time.run(first.start());
  await converged(3);
  t.deepEqual(
    await read(world),
    Array.from({ length: 20 }, (_, i) => `record ${i}`),
  );
});

test('with acks of the leader alone a write needs nobody else; with acks of all it is refused without enough in sync', async (t) => {
  const world = await replicated();
  const { cluster, time, send, leader } = world;
  await send('before');
  const first = leader();
  for (const node of cluster.nodes) if (node !== first) node.kill('kill');
  const channel = cluster.network.dialer('plain').dial(first.address, 'data');
  const append = (acks: Acks) =>
    time.run(
      channel.unary(LogService.method.append, {
        topic: 't',
        partition: 0,
        acks,
        records: [{ value: Buffer.from('x') }],
      }),
    );
  await time.runUntil(
    () => [...first.service.partitions].every(({ leading }) => leading?.committed.isr.length === 1),
    30_000,
  );
  t.is((await append(Acks.LEADER)).baseOffset, 1n);
  await t.throwsAsync(append(Acks.ALL), { message: /has 1 in-sync replica, and an append needs 2/ });
});

test('a leader whose disk is full lets another copy lead', async (t) => {
  const world = await replicated();
  const { send, leader, time } = world;
  await send('before');
  const first = leader();
  first.disk.capacityBytes = 1e12;
  first.disk.capacityBytes = 1e12 - first.disk.freeBytes + 1_000;
  await time.runUntil(() => leader() !== first, 6_000);
  await send('behind');
  t.deepEqual(await read(world), ['before', 'behind']);
});
