import { type ConsumerOptions, codec, type Moldau, type Place } from '@moldau/client';
import { hasReason } from '@moldau/kernel';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';

async function withTopic(partitions = 2): Promise<{ cluster: SimulatedCluster; client: Moldau }> {
  const cluster = new SimulatedCluster({ seed: 3 });
  await cluster.time.run(cluster.coordinator().start());
  await cluster.time.run(cluster.node().start());
  const client = cluster.client('app');
  await cluster.time.run(client.admin.createTopic({ name: 't', partitions }));
  return { cluster, client };
}

async function write(
  { cluster, client }: Awaited<ReturnType<typeof withTopic>>,
  from: number,
  to: number,
): Promise<void> {
  const writing = async (): Promise<void> => {
    await using producer = client.producer({ topic: 't', batchSize: 300, linger: 0 });
    for (let i = from; i < to; i += 1)
      await producer.push({ value: `${i}`, partition: i % 2, timestampMs: 1_893_000_000_000 + i });
  };
  await cluster.time.run(writing());
}

/** The first `count` items of a loop. */
async function take<T>(items: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) {
    taken.push(item);
    if (taken.length === count) break;
  }
  return taken;
}

test('every record of every partition comes once, in order within each', async (t) => {
  const world = await withTopic();
  await write(world, 0, 400);
  const consumer = world.client.consumer({ topics: ['t'], from: 'start' });
  const records = await world.cluster.time.run(take(consumer, 400));
  for (const partition of [0, 1]) {
    const own = records.filter((record) => record.partition === partition);
    t.deepEqual(
      own.map((record) => Number(record.offset)),
      Array.from({ length: 200 }, (_, i) => i),
    );
    t.deepEqual(
      own.map((record) => record.value),
      Array.from({ length: 200 }, (_, i) => `${2 * i + partition}`),
    );
  }
});

test('a loop that is left goes on where it was', async (t) => {
  const world = await withTopic(2);
  await write(world, 0, 50);
  const consumer = world.client.consumer({ assignment: [{ topic: 't', partition: 0, from: 'start' }] });
  const first = await world.cluster.time.run(take(consumer, 10));
  const second = await world.cluster.time.run(take(consumer, 15));
  t.deepEqual(
    [...first, ...second].map((record) => Number(record.offset)),
    Array.from({ length: 25 }, (_, i) => i),
  );
});

test('batches fill up to their size, or come when they have waited', async (t) => {
  const world = await withTopic();
  await write(world, 0, 40);
  const consumer = world.client.consumer({ topics: ['t'], from: 'start' });
  const batches = await world.cluster.time.run(take(consumer.batches({ maxRecords: 16, maxWait: '50ms' }), 3));
  t.deepEqual(
    batches.map(({ records }) => records.length),
    [16, 16, 8],
  );
});

test('seek goes back and forth, pause holds', async (t) => {
  const world = await withTopic();
  await write(world, 0, 100);
  const at = { topic: 't', partition: 1 };
  const consumer = world.client.consumer({ assignment: [{ ...at, from: 'start' }] });
  await world.cluster.time.run(take(consumer, 5));
  consumer.seek(at, { offset: 40n });
  t.deepEqual(
    (await world.cluster.time.run(take(consumer, 2))).map((record) => Number(record.offset)),
    [40, 41],
  );
  consumer.seek(at, { timestamp: 1_893_000_000_000 + 21 });
  t.deepEqual(
    (await world.cluster.time.run(take(consumer, 1))).map((record) => record.value),
    ['21'],
  );
  consumer.seek(at, { beforeEnd: 1 });
  t.deepEqual(
    (await world.cluster.time.run(take(consumer, 1))).map((record) => record.value),
    ['99'],
  );
  consumer.pause(at);
  await write(world, 100, 110);
  let came = false;
  const next = take(consumer, 1).then((records) => {
    came = true;
    return records;
  });
  await world.cluster.time.runFor(2_000);
  t.false(came);
  consumer.resume(at);
  t.deepEqual(
    (await world.cluster.time.run(next)).map((record) => record.value),
    ['101'],
  );
});

test('a reader goes on after the node was killed and came back', async (t) => {
  const world = await withTopic();
  await write(world, 0, 20);
  const consumer = world.client.consumer({ topics: ['t'], from: 'start' });
  await world.cluster.time.run(take(consumer, 20));
  world.cluster.node().kill('power');
  await world.cluster.time.runFor(300);
  await world.cluster.time.run(world.cluster.node().start());
  const next = take(consumer, 20);
  await write(world, 20, 40);
  const values = (await world.cluster.time.run(next)).map((record) => Number(record.value)).sort((a, b) => a - b);
  t.deepEqual(
    values,
    Array.from({ length: 20 }, (_, i) => i + 20),
  );
});

test('read stops where it was told, by offset, time and end', async (t) => {
  const world = await withTopic();
  await write(world, 0, 100);
  const collect = async (options: Parameters<Moldau['read']>[1]): Promise<number[]> => {
    const values: number[] = [];
    for await (const record of world.client.read('t', { ...options, partitions: [0] }))
      values.push(Number(record.value));
    return values;
  };
  const read = (options: Parameters<Moldau['read']>[1]): Promise<number[]> => world.cluster.time.run(collect(options));
  t.deepEqual(await read({ from: { offset: 10n }, until: { offset: 13n } }), [20, 22, 24]);
  t.deepEqual(await read({ from: { timestamp: 1_893_000_000_000 + 93 }, until: 'end' }), [94, 96, 98]);
  t.deepEqual(await read({ from: { beforeEnd: 2 }, until: 'end' }), [96, 98]);
  t.deepEqual(await read({ from: 'end', until: 'end' }), []);
});

test('what can not be read says why', async (t) => {
  const { cluster, client } = await withTopic();
  const first = async (topic: string, options: Parameters<Moldau['read']>[1]): Promise<void> => {
    for await (const _ of client.read(topic, options)) break;
  };
  const refused = (topic: string, options: Parameters<Moldau['read']>[1] = {}) =>
    t.throwsAsync(cluster.time.run(first(topic, options)));
  t.true(hasReason(await refused('nosuch'), 'UNKNOWN_TOPIC'));
  t.true(hasReason(await refused('t', { partitions: [9] }), 'UNKNOWN_PARTITION'));
  t.true(hasReason(await refused('t', { from: { offset: 99n } }), 'OFFSET_OUT_OF_RANGE'));
  t.true(hasReason(await refused('t', { from: { offset: -1n } }), 'INVALID_REQUEST'));
});

test('values, keys and headers come back as they went in', async (t) => {
  const { cluster, client } = await withTopic();
  const producer = client.producer({ topic: 't', value: codec.json<{ a: number }>() });
  await cluster.time.run(
    producer.send({
      key: 'k',
      value: { a: 1 },
      headers: [
        { name: 'h', value: 'v' },
        { name: 'n', value: null },
      ],
      partition: 0,
    }),
  );
  await cluster.time.run(producer.send({ key: 'k', value: null, partition: 0 }));
  const consumer = client.consumer({ topics: ['t'], from: 'start', value: codec.json<{ a: number }>() });
  const [first, second] = await cluster.time.run(take(consumer, 2));
  t.deepEqual([first?.key, first?.value, second?.value], ['k', { a: 1 }, null]);
  t.deepEqual(
    first?.headers.map(({ name, value }) => [name, value === null ? null : Buffer.from(value).toString()]),
    [
      ['h', 'v'],
      ['n', null],
    ],
  );
});

test('a record that a codec refuses costs no other', async (t) => {
  const { cluster, client } = await withTopic();
  const producer = client.producer({ topic: 't', linger: 0 });
  const sending = async (): Promise<void> => {
    for (const value of ['1', '2', 'no json', '4']) await producer.push({ value, partition: 0 });
    await producer.flush();
  };
  await cluster.time.run(sending());
  const consumer = client.consumer({ topics: ['t'], from: 'start', value: codec.json<number>() });
  const seen: (number | null)[] = [];
  const reading = async (): Promise<void> => {
    for await (const record of consumer) {
      seen.push(record.value);
      if (seen.length === 3) return;
    }
  };
  await t.throwsAsync(cluster.time.run(reading()), { instanceOf: SyntaxError });
  await cluster.time.run(reading());
  t.deepEqual(seen, [1, 2, 4]);
});

test('a reader outlasts an outage of minutes and goes on where it was', async (t) => {
  const world = await withTopic();
  await write(world, 0, 20);
  const consumer = world.client.consumer({ assignment: [{ topic: 't', partition: 0, from: 'start' }] });
  await world.cluster.time.run(take(consumer, 10));
  await write(world, 20, 40);
  await world.cluster.time.runFor(1_000);
  world.cluster.node().kill('kill');
  await world.cluster.time.runFor(180_000);
  await world.cluster.time.run(world.cluster.node().start());
  const rest = await world.cluster.time.run(take(consumer, 10));
  t.deepEqual(
    rest.map((record) => Number(record.value)),
    Array.from({ length: 10 }, (_, i) => 20 + 2 * i),
  );
});

test('close ends a loop, and what was read ahead does not come any more', async (t) => {
  const world = await withTopic();
  await write(world, 0, 100);
  const consumer = world.client.consumer({ topics: ['t'], from: 'start' });
  let seen = 0;
  const reading = async (): Promise<void> => {
    for await (const _ of consumer) {
      seen += 1;
      if (seen === 3) await consumer.close();
    }
  };
  await world.cluster.time.run(reading());
  t.is(seen, 3);
});

test('an iterator that was returned gives no more; another loop goes on', async (t) => {
  const world = await withTopic();
  await write(world, 0, 10);
  const consumer = world.client.consumer({ topics: ['t'], from: 'start' });
  const iterator = consumer[Symbol.asyncIterator]();
  t.is(iterator[Symbol.asyncIterator](), iterator);
  await world.cluster.time.run(iterator.next());
  await iterator.return?.();
  t.true((await world.cluster.time.run(iterator.next())).done);
  t.is((await world.cluster.time.run(take(consumer, 9))).length, 9);
});

test('a partition that was sought beyond its end reads again after a seek to where there is something', async (t) => {
  const world = await withTopic();
  await write(world, 0, 20);
  const consumer = world.client.consumer({ topics: ['t'], from: 'start' });
  await world.cluster.time.run(take(consumer, 20));
  consumer.seek({ topic: 't', partition: 0 }, { offset: 99_999n });
  const error = await t.throwsAsync(world.cluster.time.run(take(consumer, 1)));
  t.true(hasReason(error, 'OFFSET_OUT_OF_RANGE'));
  for (const partition of [0, 1]) consumer.seek({ topic: 't', partition }, 'start');
  t.is((await world.cluster.time.run(take(consumer, 20))).length, 20);
});

test('a partition that is not there is no reason to wait', async (t) => {
  const world = await withTopic();
  const consumer = world.client.consumer({ assignment: [{ topic: 't', partition: 9, from: 'start' }] });
  t.true(hasReason(await t.throwsAsync(world.cluster.time.run(take(consumer, 1))), 'UNKNOWN_PARTITION'));
});

test('a topic that does not exist is not made by who reads it: the loop says so', async (t) => {
  // One whose producers make topics.
  const cluster = new SimulatedCluster({ seed: 3 });
  await cluster.time.run(cluster.coordinator().start());
  await cluster.time.run(cluster.node().start());
  const client = cluster.client('app');
  const error = await t.throwsAsync(cluster.time.run(take(client.consumer({ topics: ['unknown'], from: 'start' }), 1)));
  t.true(hasReason(error, 'UNKNOWN_TOPIC'));
  t.deepEqual(await cluster.time.run(client.admin.listTopics()), []);
  const producer = client.producer({ topic: 'made' });
  await cluster.time.run(producer.send({ value: 'v' }));
  t.is((await cluster.time.run(client.admin.listTopics())).length, 1);
});

test('a consumer of nothing is refused, and so is what is no place, with what a place can be', async (t) => {
  const { cluster, client } = await withTopic();
  const refused = (options: ConsumerOptions<string, string>, message: RegExp): void => {
    const error = t.throws(() => client.consumer(options));
    t.true(hasReason(error, 'INVALID_REQUEST'));
    t.regex(error.message, message);
  };
  refused({}, /^topics are missing/);
  refused({ topics: [] }, /^topics are missing/);
  refused({ topics: 't' as never }, /^topics are no list of names/);
  refused({ topics: ['t'], pattern: 'x' } as never, /^pattern is no option of a consumer without a `group`/);
  const noPlaces: unknown[] = ['beginning', null, 7n, {}, { offset: 1 }, { beforeEnd: 1.5 }, { timestamp: Number.NaN }];
  for (const from of noPlaces as Place[]) {
    const message = /^from is no place: use 'start', 'end', \{ offset: 42n \}, /;
    refused({ topics: ['t'], from }, message);
    if (from !== null) refused({ assignment: [{ topic: 't', partition: 0, from }] }, message);
    for (const options of [{ from }, { until: from }])
      await t.throwsAsync(cluster.time.run(take(client.read('t', options), 1)), { message: /is no place/ });
    await t.throwsAsync(client.admin.listOffsets('t', from), { message: /^place is no place/ });
  }
  const consumer = client.consumer({ topics: ['t'] });
  t.throws(() => consumer.seek({ topic: 't', partition: 0 }, 'beginning' as Place), { message: /^to is no place/ });
});
