import { hasReason } from '@moldau/kernel';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import test from 'ava';
import { behindGateway, createTopic, readAll, secondGateway, type World } from './support.ts';

/** Writes so many values to the partitions in turn, one every so often; resolves when all are acknowledged. */
async function write({ time, client }: World, partitions: readonly number[], count: number, everyMs: number) {
  const producer = client('writer').producer({ topic: 't', linger: 0 });
  for (let i = 0; i < count; i += 1) {
    await producer.push({ value: `${i}`, partition: partitions[i % partitions.length] ?? 0 });
    await new Promise<void>((resolve) => time.after(everyMs, resolve));
  }
  await producer.close();
}

/** Follows a topic: how often each value was seen, and those of each partition in order. */
function follow({ client }: World, topic = 't') {
  const consumer = client('follower').consumer({ topics: [topic], from: 'start' });
  const times = new Map<string, number>();
  const order = new Map<number, number[]>();
  const reading = (async () => {
    for await (const { value, partition } of consumer) {
      times.set(value ?? '', (times.get(value ?? '') ?? 0) + 1);
      order.set(partition, [...(order.get(partition) ?? []), Number(value)]);
    }
  })();
  return { times, order, close: () => consumer.close().then(() => reading) };
}

const isSorted = (numbers: readonly number[]): boolean => numbers.every((n, i) => i === 0 || n > (numbers[i - 1] ?? 0));

test('everything goes through one address: topics, writes and reads of six partitions on three nodes', async (t) => {
  const world = await behindGateway();
  const { time, client } = world;
  const { leaders } = await createTopic(world);
  t.deepEqual([...leaders].sort(), [1, 1, 2, 2, 3, 3]);
  const producer = client('writer').producer({ topic: 't', linger: 0 });
  const writing = async (): Promise<void> => {
    for (let i = 0; i < 600; i += 1) await producer.push({ value: `${i}`, partition: i % 6 });
    await producer.close();
  };
  await time.run(writing());
  const values = await readAll(world);
  for (let partition = 0; partition < 6; partition += 1) {
    t.deepEqual(
      values.get(partition),
      Array.from({ length: 100 }, (_, i) => `${i * 6 + partition}`),
    );
  }
});

test('a client has one session for all nodes, and each node one for the client', async (t) => {
  const world = await behindGateway();
  const { cluster, time, client } = world;
  await createTopic(world);
  await time.runFor(1_000);
  const before = cluster.network.openCalls;
  const producer = client('writer').producer({ topic: 't', linger: 0 });
  for (let partition = 0; partition < 6; partition += 1) await time.run(producer.send({ value: 'x', partition }));
  t.is(cluster.network.openCalls - before, 1 + 3);
  await time.run(producer.close());
  const follower = follow(world);
  await time.runUntil(() => follower.times.get('x') === 6);
  await time.runFor(10);
  t.is(cluster.network.openCalls - before, 1 + 3);
  await time.run(follower.close());
  await time.runFor(10);
  t.is(cluster.network.openCalls, before);
});

for (const how of ['kill', 'power'] as const) {
  test(`nodes die in the midst (${how}): what was acknowledged is there once, and readers go on`, async (t) => {
    const world = await behindGateway();
    const { cluster, time } = world;
    await createTopic(world);
    const follower = follow(world);
    const writing = write(world, [0, 1, 2, 3, 4, 5], 300, 50);
    for (const id of [2, 1, 3, 2]) {
      await time.runFor(2_000);
      cluster.node(id).kill(how);
      await time.runFor(1_500);
      if (id === 1) cluster.node(id).moveTo('elsewhere-1');
      await time.run(cluster.node(id).start());
    }
    await time.run(writing);
    await time.runUntil(() => follower.times.size === 300);
    await time.runFor(2_000);
    t.true([...follower.times.values()].every((times) => times === 1));
    t.true([...follower.order.values()].every(isSorted));
    await time.run(follower.close());
    const { service } = cluster.gateway();
    await time.runFor(1_000);
    t.deepEqual([service.heldAppendBytes, service.heldFetchBytes], [0, 0]);
  });
}

test('the gateway itself may die: clients go on at its next start', async (t) => {
  const world = await behindGateway();
  const { cluster, time } = world;
  await createTopic(world);
  const follower = follow(world);
  const writing = write(world, [0, 1, 2, 3, 4, 5], 200, 50);
  for (let i = 0; i < 3; i += 1) {
    await time.runFor(1_500);
    cluster.gateway().kill();
    await time.runFor(1_000);
    await time.run(cluster.gateway().start());
  }
  await time.run(writing);
  await time.runUntil(() => follower.times.size === 200);
  await time.runFor(2_000);
  t.true([...follower.times.values()].every((times) => times === 1));
  t.true([...follower.order.values()].every(isSorted));
  await time.run(follower.close());
});

test('the coordinator may be away: what is known is served, and nothing that is written waits', async (t) => {
  const world = await behindGateway();
  const { cluster, time } = world;
  await createTopic(world);
  const follower = follow(world);
  // Producers have their ids by then: those come from the coordinator.
  const writing = write(world, [0, 1, 2, 3, 4, 5], 100, 100);
  await time.runUntil(() => follower.times.size === 10);
  cluster.coordinator().kill();
  await time.run(writing, 12_000);
  await time.runUntil(() => follower.times.size === 100);
  await time.run(cluster.coordinator().start());
  const { admin } = world.client('admin');
  await time.run(admin.createTopic({ name: 'later' }));
  t.is((await time.run(admin.listTopics())).length, 2);
  await time.run(follower.close());
});

test('another coordinator takes over: topics are made through the gateway as before', async (t) => {
  const world = await behindGateway({ coordinators: 2 });
  const { cluster, time } = world;
  await createTopic(world);
  const { admin } = world.client('admin');
  for (const n of [1, 2, 1]) {
    const active = cluster.coordinators.find(({ service }) => service.stage === 'active');
    t.not(active, undefined);
    active?.kill();
    const name = `later-${n}-${time.monotonicMs().toFixed(0)}`;
    await time.run(admin.createTopic({ name, partitions: 3 }), 60_000);
    t.is((await time.run(admin.listOffsets(name, 'end'))).length, 3);
    await time.run(active?.start() ?? Promise.resolve());
    await time.runFor(1_000);
  }
  t.is((await time.run(admin.listTopics())).length, 4);
});

test('a node whose words do not arrive stalls its own partitions, and no others', async (t) => {
  const world = await behindGateway();
  const { cluster, time, weather } = world;
  const { ledBy } = await createTopic(world);
  const others = [...ledBy(2), ...ledBy(3)];
  const follower = follow(world);
  const warm = write(world, [0, 1, 2, 3, 4, 5], 60, 10);
  await time.run(warm);
  await time.runUntil(() => follower.times.size === 60);
  const stuck = world.client('stuck').producer({ topic: 't', linger: 0, batchSize: '64KiB' });
  weather.hold('node-1', 'gateway-1');
  const pushing = (async () => {
    for (let i = 0; i < 40; i += 1) {
      for (const partition of ledBy(1)) await stuck.push({ value: `stuck ${i}`.padEnd(30_000), partition });
    }
  })();
  const producer = world.client('other').producer({ topic: 't', linger: 0 });
  let slowestMs = 0;
  for (let i = 0; i < 40; i += 1) {
    const startedAt = time.monotonicMs();
    await time.run(producer.send({ value: `other ${i}`, partition: others[i % others.length] ?? 0 }));
    await time.runUntil(() => follower.times.has(`other ${i}`), 5_000);
    slowestMs = Math.max(slowestMs, time.monotonicMs() - startedAt);
    await time.runFor(100);
  }
  t.log(`the slowest of 40 written and read beside a stuck node took ${slowestMs.toFixed(0)} ms`);
  t.true(slowestMs < 100);
  weather.release(cluster.network, 'node-1', 'gateway-1');
  await time.run(pushing);
  await time.run(stuck.close());
  await time.run(follower.close());
  const values = await readAll(world);
  for (const partition of ledBy(1)) {
    const written = values.get(partition)?.filter((value) => value.startsWith('stuck')) ?? [];
    t.deepEqual(
      written.map((value) => value.trim()),
      Array.from({ length: 40 }, (_, i) => `stuck ${i}`),
    );
  }
});

test('a gateway that takes another for a coordinator says so, and no call goes round', async (t) => {
  const world = await behindGateway();
  const { cluster, time } = world;
  const second = await secondGateway(world, { coordinators: ['gateway-1'] });
  t.true(second.isServing, 'metadata it gets there');
  const channel = cluster.network.dialer('app').dial('gateway-2', 'control');
  const call = time.run(channel.unary(ClusterService.method.createTopic, { name: 'x' }, { timeoutMs: 2_000 }));
  t.true(hasReason(await t.throwsAsync(call), 'NOT_SERVING'));
  await second.stop();
});

test('a gateway starts when it has heard of the cluster, and until then it says so', async (t) => {
  const world = await behindGateway();
  const { cluster, time } = world;
  await time.run(cluster.gateway().stop());
  cluster.coordinator().kill();
  const starting = cluster.gateway().start();
  await time.runFor(5_000);
  t.false(cluster.gateway().service.isServing);
  const channel = cluster.network.dialer('app').dial('gateway-1', 'control');
  const call = time.run(channel.unary(ClusterService.method.getMetadata, {}));
  t.true(hasReason(await t.throwsAsync(call), 'NOT_SERVING'));
  await time.run(cluster.coordinator().start());
  await time.run(starting);
  t.true(cluster.gateway().service.isServing);
  t.not(cluster.gateway().service.clusterId, '');
});
