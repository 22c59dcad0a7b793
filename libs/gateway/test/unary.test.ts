import { MoldauError } from '@moldau/kernel';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { LogService, ReadFormat } from '@moldau/proto/moldau/log/v1/log_pb';
import { partitionOfKey } from '@moldau/records';
import { fromWireError } from '@moldau/rpc';
import { batchOf } from '@moldau/testing';
import test from 'ava';
import { behindGateway, createTopic, readAll, type World } from './support.ts';

const { append, initProducer, listOffsets, read, trimPartition } = LogService.method;

const record = (text: string, key?: string) => ({
  value: Buffer.from(text),
  ...(key !== undefined && { key: Buffer.from(key) }),
});

const reasonOf = async ({ time }: World, call: Promise<unknown>): Promise<string> => {
  try {
    await time.run(call);
    return 'answered';
  } catch (error) {
    return error instanceof MoldauError ? error.reason : String(error);
  }
};

test('a record goes where its key or its partition says, and anywhere without either', async (t) => {
  const world = await behindGateway();
  const { time, channel } = world;
  await createTopic(world);
  const app = channel('app');
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
    const { partition } = await time.run(app.unary(append, { topic: 't', records: [record('x', key)] }));
    t.is(partition, partitionOfKey(Buffer.from(key), 6));
  }
  for (let partition = 0; partition < 6; partition += 1) {
    const answer = await time.run(app.unary(append, { topic: 't', partition, batch: batchOf(['y', 'z']) }));
    t.is(answer.partition, partition);
    t.is((answer.lastOffset ?? 0n) - (answer.baseOffset ?? 0n), 1n);
  }
  const used = new Set<number>();
  for (let i = 0; i < 40; i += 1) {
    used.add((await time.run(app.unary(append, { topic: 't', records: [record('x')] }))).partition);
  }
  t.is(used.size, 6);
});

test('what nobody has is unknown, and what is wrong is refused', async (t) => {
  const world = await behindGateway();
  await createTopic(world);
  const app = world.channel('app');
  const records = [record('x')];
  t.is(await reasonOf(world, app.unary(append, { topic: 'nosuch', records })), 'UNKNOWN_TOPIC');
  t.is(await reasonOf(world, app.unary(append, { topic: 't', partition: 6, records })), 'UNKNOWN_PARTITION');
  t.is(await reasonOf(world, app.unary(append, { topic: 't', batch: batchOf(['a']) })), 'INVALID_REQUEST');
  t.is(await reasonOf(world, app.unary(append, { topic: 't', partition: 0 })), 'INVALID_REQUEST');
  const torn = batchOf(['abc']).subarray(0, 70);
  t.is(await reasonOf(world, app.unary(append, { topic: 't', partition: 0, batch: torn })), 'CORRUPT_BATCH');
  t.is(await reasonOf(world, app.unary(listOffsets, { topic: 'nosuch' })), 'UNKNOWN_TOPIC');
  t.is(
    await reasonOf(world, app.unary(trimPartition, { topic: 't', partition: 0, beforeOffset: 9n })),
    'OFFSET_OUT_OF_RANGE',
  );
});

test('offsets of all partitions come in one answer, in the order of the questions; a bad one fails alone', async (t) => {
  const world = await behindGateway();
  const { time, channel } = world;
  await createTopic(world);
  const app = channel('app');
  for (let partition = 0; partition < 6; partition += 1) {
    const batch = batchOf(Array.from({ length: partition }, (_, i) => `${i}`).concat('end'));
    await time.run(app.unary(append, { topic: 't', partition, batch }));
  }
  const position = { at: { case: 'latest' as const, value: {} } };
  const queries = [5, 9, 0, 3, 1, 4, 2].map((partition) => ({ partition, position }));
  const { answers } = await time.run(app.unary(listOffsets, { topic: 't', queries }));
  t.deepEqual(
    answers.map(({ partition, offset, error }) => [
      partition,
      error === undefined ? offset : fromWireError(error).reason,
    ]),
    [
      [5, 6n],
      [9, 'UNKNOWN_PARTITION'],
      [0, 1n],
      [3, 4n],
      [1, 2n],
      [4, 5n],
      [2, 3n],
    ],
  );
});

test('reads, trims and producer ids are those of the nodes', async (t) => {
  const world = await behindGateway();
  const { time, channel } = world;
  await createTopic(world);
  const app = channel('app');
  await time.run(app.unary(append, { topic: 't', partition: 4, batch: batchOf(['a', 'b', 'c']) }));
  t.is((await time.run(app.unary(trimPartition, { topic: 't', partition: 4, beforeOffset: 1n }))).logStart, 1n);
  const reading = async (format: ReadFormat): Promise<[number, number]> => {
    let records = 0;
    let bytes = 0;
    for await (const part of app.serverStream(read, { topic: 't', partition: 4, format })) {
      records += part.records.length;
      bytes += part.batches.length;
    }
    return [records, bytes];
  };
  t.deepEqual(await time.run(reading(ReadFormat.RECORDS)), [2, 0]);
  t.is((await time.run(reading(ReadFormat.BATCHES)))[1], batchOf(['a', 'b', 'c']).length);
  const first = await time.run(app.unary(initProducer, {}));
  const second = await time.run(app.unary(initProducer, {}));
  t.not(first.producerId, second.producerId);
  const next = await time.run(app.unary(initProducer, { producerId: first.producerId }));
  t.deepEqual([next.producerId, next.producerEpoch], [first.producerId, 1]);
});

test('a topic that was made again under its name is another one', async (t) => {
  const world = await behindGateway();
  const { time, channel, client } = world;
  const old = await createTopic(world, 't', 2);
  await time.run(client('admin').admin.deleteTopic('t'));
  const now = await createTopic(world, 't', 3);
  const app = channel('app');
  const target = { topic: 't', partition: 0 };
  for (const [topicId, fate] of [
    [old.id, 'UNKNOWN_TOPIC'],
    [now.id, 'answered'],
    [undefined, 'answered'],
  ] as const) {
    const named = { ...target, ...(topicId !== undefined && { topicId }) };
    t.is(await reasonOf(world, app.unary(append, { ...named, records: [record('x')] })), fate);
    t.is(await reasonOf(world, app.unary(trimPartition, { ...named, beforeOffset: 0n })), fate);
    t.is(await reasonOf(world, app.unary(listOffsets, { ...named, queries: [{ partition: 2 }] })), fate);
    t.is(await reasonOf(world, app.serverStream(read, named)[Symbol.asyncIterator]().next()), fate);
  }
  t.deepEqual((await readAll(world)).get(0), ['x', 'x']);
});

test('an append waits for a leader that restarts, elsewhere too; what may be written is not sent twice', async (t) => {
  const world = await behindGateway();
  const { cluster, time, weather, channel } = world;
  const { ledBy } = await createTopic(world);
  const [partition = 0] = ledBy(2);
  const app = channel('app');
  cluster.node(2).kill('kill');
  const waiting = app.unary(append, { topic: 't', partition, records: [record('a')], timeoutMs: 30_000 });
  await time.runFor(3_000);
  cluster.node(2).moveTo('elsewhere-2');
  await time.run(cluster.node(2).start());
  t.is((await time.run(waiting)).baseOffset, 0n);

  const { producerId } = await time.run(app.unary(initProducer, {}));
  for (const [request, fate] of [
    [{ records: [record('b')] }, 'UNREACHABLE'],
    [{ records: [record('c')], producerId }, 'answered'],
  ] as const) {
    // The node writes it, and its answer is lost.
    weather.hold('elsewhere-2', 'gateway-1');
    const call = app.unary(append, {
      topic: 't',
      partition,
      timeoutMs: 20_000,
      ...request,
      records: [...request.records],
    });
    const told = reasonOf(world, call);
    await time.runFor(500);
    cluster.network.cut('elsewhere-2', 'gateway-1');
    weather.release(cluster.network, 'elsewhere-2', 'gateway-1');
    t.is(await told, fate);
  }
  t.deepEqual((await readAll(world)).get(partition), ['a', 'b', 'c']);
});

test('a followed read goes on at the leader’s next start', async (t) => {
  const world = await behindGateway();
  const { cluster, time, channel } = world;
  const { ledBy } = await createTopic(world);
  const [partition = 0] = ledBy(3);
  const app = channel('app');
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { records } of app.serverStream(read, { topic: 't', partition, follow: true })) {
      for (const { value } of records) seen.push(Buffer.from(value ?? []).toString());
      if (seen.at(-1) === 'end') break;
    }
  })();
  const write = (text: string) =>
    time.run(app.unary(append, { topic: 't', partition, records: [record(text)], timeoutMs: 30_000 }));
  await write('a');
  await time.runUntil(() => seen.length === 1);
  cluster.node(3).kill('kill');
  await time.runFor(2_000);
  await time.run(cluster.node(3).start());
  await write('b');
  await write('end');
  await time.run(reading);
  t.deepEqual(seen, ['a', 'b', 'end']);
});

test('addresses are those by which the gateway was called, and node ids stay', async (t) => {
  const world = await behindGateway();
  const { time, channel, client } = world;
  await createTopic(world);
  const { nodes } = await time.run(channel('app').unary(ClusterService.method.getMetadata, {}));
  const listed = await time.run(client('app').admin.listNodes());
  for (const found of [nodes, listed]) {
    t.deepEqual(
      found.map(({ id, address }) => [id, address]),
      [
        [1, 'gateway-1'],
        [2, 'gateway-1'],
        [3, 'gateway-1'],
      ],
    );
  }
});

test('a topic is used as soon as it is created, however late the news come', async (t) => {
  const world = await behindGateway();
  const { time, weather, client } = world;
  weather.delay({ min: 1, max: 300 });
  for (let i = 0; i < 8; i += 1) {
    const name = `new-${i}`;
    const app = client(`app-${i}`);
    await time.run(app.admin.createTopic({ name, partitions: 3 }));
    t.is((await time.run(app.admin.listOffsets(name, 'end'))).length, 3);
    const producer = app.producer({ topic: name, linger: 0 });
    for (const partition of [0, 1, 2]) await time.run(producer.send({ value: 'x', partition }));
    const key = Buffer.from('k');
    const records = [{ key, value: key }];
    await time.run(world.channel('app').unary(append, { topic: name, records }));
    await time.run(app.admin.deleteTopic(name));
    t.is(await reasonOf(world, app.admin.listOffsets(name, 'end')), 'UNKNOWN_TOPIC');
  }
});
