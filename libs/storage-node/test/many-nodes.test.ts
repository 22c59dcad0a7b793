import type { MessageInitShape } from '@bufbuild/protobuf';
import { MoldauError } from '@moldau/kernel';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { type AppendRequestSchema, LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { partitionOfKey } from '@moldau/records';
import { fromWireError } from '@moldau/rpc';
import { NetworkWeather, SeededRandom, SimulatedCluster } from '@moldau/testing';
import test from 'ava';
import { appendSession, fetchSession } from './support.ts';

const { append, listOffsets, trimPartition, initProducer, read } = LogService.method;
const record = (text: string, key?: string) => ({
  value: Buffer.from(text),
  ...(key !== undefined && { key: Buffer.from(key) }),
});

/** Three nodes, a topic of six partitions, and who leads them. */
async function threeNodes(weather?: NetworkWeather) {
  const cluster = new SimulatedCluster({ seed: 4, nodes: 3, ...(weather && { conditions: weather.conditions }) });
  const { time } = cluster;
  await time.run(cluster.start());
  const { admin } = cluster.client('admin', 30_000, time, ['node-1']);
  await time.run(admin.createTopic({ name: 't', partitions: 6 }));
  await time.run(admin.listOffsets('t', 'end'));
  await time.runFor(100);
  const { topic } = await time.run(admin.describeTopic('t'));
  const leaders = topic?.partitions.map(({ leader }) => leader ?? 0) ?? [];
  const channels = [1, 2, 3].map((id) => cluster.network.dialer('app').dial(`node-${id}`, 'data'));
  const to = (node: number) => {
    const channel = channels[node - 1];
    if (channel === undefined) throw new Error(`no node ${node}`);
    return channel;
  };
  const appendTo = (node: number, request: MessageInitShape<typeof AppendRequestSchema>) =>
    time.run(to(node).unary(append, request));
  return { cluster, time, admin, topic, leaders, to, appendTo };
}

const refusal = async (call: Promise<unknown>): Promise<MoldauError | undefined> => {
  try {
    await call;
  } catch (error) {
    if (error instanceof MoldauError) return error;
    throw error;
  }
  return undefined;
};

test('the partitions of a topic are led by all nodes, and every node says so', async (t) => {
  const { time, leaders, to } = await threeNodes();
  t.deepEqual([...leaders].sort(), [1, 1, 2, 2, 3, 3]);
  for (const node of [1, 2, 3]) {
    const { topics, nodes } = await time.run(to(node).unary(ClusterService.method.getMetadata, { topics: ['t'] }));
    t.deepEqual(
      topics[0]?.partitions.map(({ leader }) => leader),
      leaders,
    );
    t.deepEqual(
      nodes.map(({ address }) => address),
      ['node-1', 'node-2', 'node-3'],
    );
  }
});

test('a unary call to the wrong node names the right one', async (t) => {
  const { time, leaders, to } = await threeNodes();
  for (const [partition, leader] of leaders.entries()) {
    const other = (leader % 3) + 1;
    const target = { topic: 't', partition };
    const calls = [
      to(other).unary(append, { ...target, records: [record('a')] }),
      to(other).unary(trimPartition, { ...target, beforeOffset: 0n }),
      to(other).serverStream(read, target)[Symbol.asyncIterator]().next(),
    ];
    for (const call of calls) {
      const error = await refusal(time.run<unknown>(call));
      t.deepEqual([error?.reason, error?.fields.leader], ['NOT_LEADER', String(leader)]);
    }
    const answer = await time.run(to(other).unary(listOffsets, { topic: 't', queries: [{ partition }] }));
    const inBand = answer.answers[0]?.error;
    t.is(inBand && fromWireError(inBand).fields.leader, String(leader));
  }
});

test('what nobody has is unknown on every node', async (t) => {
  const { time, to } = await threeNodes();
  for (const node of [1, 2, 3]) {
    const topic = await refusal(time.run(to(node).unary(append, { topic: 'nosuch', records: [record('a')] })));
    t.is(topic?.reason, 'UNKNOWN_TOPIC');
    const beyond = { topic: 't', partition: 6, records: [record('a')] };
    const partition = await refusal(time.run(to(node).unary(append, beyond)));
    t.deepEqual([partition?.reason, partition?.fields.partitions], ['UNKNOWN_PARTITION', '6']);
  }
});

test('a key chooses among all partitions of the topic, and no key one that the node leads', async (t) => {
  const { leaders, appendTo } = await threeNodes();
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
    const partition = partitionOfKey(Buffer.from(key), 6);
    const leader = leaders[partition] ?? 0;
    t.is((await appendTo(leader, { topic: 't', records: [record('x', key)] })).partition, partition);
    const error = await refusal(appendTo((leader % 3) + 1, { topic: 't', records: [record('x', key)] }));
    t.is(error?.fields.leader, String(leader));
  }
  const used = new Set<number>();
  for (let i = 0; i < 20; i += 1) used.add((await appendTo(2, { topic: 't', records: [record('x')] })).partition);
  t.deepEqual(
    [...used].map((partition) => leaders[partition]),
    [2, 2],
  );
});

test('every node hands out producer ids', async (t) => {
  const { time, to } = await threeNodes();
  const ids = new Set<bigint>();
  for (const node of [1, 2, 3, 1]) ids.add((await time.run(to(node).unary(initProducer, {}))).producerId);
  t.is(ids.size, 4);
});

test('sessions are sent to the leader; a topic that is gone is unknown, one that was not heard of is not', async (t) => {
  const { time, admin, topic, leaders, to } = await threeNodes();
  const topicId = topic?.id ?? '';
  const wrong = ((leaders[0] ?? 0) % 3) + 1;
  const ask = async (id: string) => {
    const appending = appendSession(to(wrong));
    appending.send({ frame: { case: 'open', value: { handle: 1, topicId: id, partition: 0 } } });
    const fetching = fetchSession(to(wrong));
    fetching.send({ frame: { case: 'add', value: { handle: 1, topicId: id, partition: 0 } } });
    await time.runFor(50);
    const moved = appending.of('moved')[0]?.value;
    const error = fetching.of('error')[0]?.value.error;
    return {
      append: [moved?.error && fromWireError(moved.error).reason, moved?.leader],
      fetch: error === undefined ? fetching.of('moved')[0]?.value.leader : fromWireError(error).reason,
    };
  };
  t.deepEqual(await ask(topicId), { append: ['NOT_LEADER', leaders[0]], fetch: leaders[0] });
  t.deepEqual(await ask('newtopic'), { append: ['NOT_LEADER', undefined], fetch: undefined });
  await time.run(admin.deleteTopic('t'));
  await time.runFor(100);
  t.deepEqual(await ask(topicId), { append: ['UNKNOWN_TOPIC', undefined], fetch: 'UNKNOWN_TOPIC' });
});

test('what was created through one node is used through another at once, however late the news come', async (t) => {
  const weather = new NetworkWeather(new SeededRandom(9), { min: 0, max: 0 });
  const { cluster, time, to } = await threeNodes(weather);
  weather.delay({ min: 1, max: 400 });
  for (let i = 0; i < 10; i += 1) {
    const name = `new-${i}`;
    const { topic } = await time.run(to(1).unary(ClusterService.method.createTopic, { name, partitions: 3 }));
    t.is(topic?.partitions.length, 3);
    const anywhere = cluster.client(`anyone-${i}`, 30_000, time, ['node-2', 'node-3']);
    const offsets = await time.run(anywhere.admin.listOffsets(name, 'end'));
    t.is(offsets.length, 3);
    const producer = anywhere.producer({ topic: name, linger: 0 });
    for (const partition of [0, 1, 2]) await time.run(producer.send({ value: 'x', partition }));
    await time.run(anywhere.admin.updateTopic(name, { partitions: 5 }));
    t.is((await time.run(anywhere.admin.listOffsets(name, 'end'))).length, 5);
  }
});

test('a producer and a reader outlive nodes that restart, elsewhere too', async (t) => {
  const { cluster, time } = await threeNodes();
  const app = cluster.client('app', 30_000, time, ['node-1', 'node-2', 'node-3']);
  const producer = app.producer({ topic: 't', linger: 0 });
  const consumer = app.consumer({ topics: ['t'], from: 'start' });
  const seen = new Map<string, number>();
  const reading = (async () => {
    for await (const { value } of consumer) seen.set(value ?? '', (seen.get(value ?? '') ?? 0) + 1);
  })();
  const count = 300;
  const writing = (async () => {
    for (let i = 0; i < count; i += 1) {
      await producer.push({ value: `${i}`, partition: i % 6 });
      await new Promise<void>((resolve) => time.after(50, resolve));
    }
    await producer.flush();
  })();
  for (const [id, address] of [
    [1, 'node-1'],
    [2, 'elsewhere-2'],
    [3, 'node-3'],
  ] as const) {
    await time.runFor(2_000);
    cluster.node(id).kill('kill');
    await time.runFor(1_000);
    cluster.node(id).moveTo(address);
    await time.run(cluster.node(id).start());
  }
  await time.run(writing);
  await time.runUntil(() => seen.size === count);
  await time.runFor(5_000);
  t.true([...seen.values()].every((times) => times === 1));
  await time.run(consumer.close());
  await time.run(reading);
});
