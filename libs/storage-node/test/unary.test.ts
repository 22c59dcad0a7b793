import { hasReason } from '@moldau/kernel';
import { LogService, ReadFormat, type ReadResponse } from '@moldau/proto/moldau/log/v1/log_pb';
import { BatchBuilder, readRecords } from '@moldau/records';
import test from 'ava';
import { batchOf, nodeWithTopic, watchedNode } from './support.ts';

type World = Awaited<ReturnType<typeof nodeWithTopic>>;
type ReadRequest = Parameters<typeof readAll>[1];

const value = (text: string) => ({ value: Buffer.from(text) });
const at = (offset: bigint) => ({ at: { case: 'offset' as const, value: offset } });

async function readAll(
  { cluster, channel }: World,
  request: {
    from?: ReturnType<typeof at>;
    until?: ReturnType<typeof at>;
    limit?: bigint;
    format?: ReadFormat;
    topic?: string;
  },
): Promise<ReadResponse[]> {
  const reading = async (): Promise<ReadResponse[]> => {
    const parts: ReadResponse[] = [];
    for await (const part of channel.serverStream(LogService.method.read, { topic: 't', partition: 0, ...request })) {
      parts.push(part);
    }
    return parts;
  };
  return cluster.time.run(reading());
}

const texts = async (world: World, request: ReadRequest): Promise<string[]> =>
  (await readAll(world, request)).flatMap(({ records }) =>
    records.map((record) => Buffer.from(record.value ?? []).toString()),
  );

test('plain records go in by unary calls and come out by a stream, within what was asked for', async (t) => {
  const world = await nodeWithTopic();
  const { cluster, channel } = world;
  const records = ['a', 'b', 'c', 'd', 'e'].map(value);
  const answer = await cluster.time.run(channel.unary(LogService.method.append, { topic: 't', records }));
  t.deepEqual([answer.partition, answer.baseOffset, answer.lastOffset], [0, 0n, 4n]);
  t.deepEqual(await texts(world, {}), ['a', 'b', 'c', 'd', 'e']);
  t.deepEqual(await texts(world, { from: at(1n), until: at(3n) }), ['b', 'c']);
  t.deepEqual(await texts(world, { limit: 2n }), ['a', 'b']);
  t.deepEqual(
    (await readAll(world, { limit: 2n })).map(({ nextOffset }) => nextOffset),
    [2n],
  );
  t.deepEqual(await texts(world, { from: at(5n) }), []);
});

test('records that unfold to much come in messages of bounded size', async (t) => {
  const world = await nodeWithTopic();
  const { cluster, channel } = world;
  const builder = new BatchBuilder();
  for (let i = 0; i < 400; i += 1) builder.add({ key: null, value: Buffer.alloc(50_000, i % 251), timestampMs: 0 });
  const batch = builder.build('zstd');
  t.true(batch.length < 1024 * 1024);
  await cluster.time.run(channel.unary(LogService.method.append, { topic: 't', partition: 0, batch }));
  const parts = await readAll(world, {});
  t.is(
    parts.reduce((sum, { records }) => sum + records.length, 0),
    400,
  );
  t.true(
    parts.every(
      ({ records }) => records.reduce((sum, { value: bytes }) => sum + (bytes?.length ?? 0), 0) < 1.2 * 1024 * 1024,
    ),
  );
});

test('a record that fills a message by itself is read, whatever stands around it', async (t) => {
  const world = await nodeWithTopic();
  const { cluster, channel } = world;
  const large = { value: Buffer.alloc(1_040_000, 1) };
  for (const records of [[value('a')], [large], [value('b')]]) {
    await cluster.time.run(channel.unary(LogService.method.append, { topic: 't', partition: 0, records }));
  }
  t.deepEqual(
    (await texts(world, {})).map((text) => text.length),
    [1, 1_040_000, 1],
  );
  t.deepEqual(
    (await texts(world, { from: at(1n), until: at(2n) })).map((text) => text.length),
    [1_040_000],
  );
});

test('a bomb is refused to whoever wants its records, and harms nobody else', async (t) => {
  const world = await nodeWithTopic();
  const { cluster, channel } = world;
  const builder = new BatchBuilder();
  for (let i = 0; i < 80; i += 1) builder.add({ key: null, value: Buffer.alloc(1024 * 1024), timestampMs: 0 });
  const batch = builder.build('zstd');
  await cluster.time.run(channel.unary(LogService.method.append, { topic: 't', partition: 0, batch }));
  await cluster.time.run(
    channel.unary(LogService.method.append, { topic: 't', partition: 0, records: [value('after')] }),
  );
  t.true(hasReason(await t.throwsAsync(readAll(world, {})), 'CORRUPT_BATCH'));
  t.deepEqual(await texts(world, { from: at(80n) }), ['after']);
});

test('batches come as they were sent', async (t) => {
  const world = await nodeWithTopic();
  const { cluster, channel } = world;
  await cluster.time.run(
    channel.unary(LogService.method.append, { topic: 't', partition: 0, batch: batchOf(['a', 'b']) }),
  );
  const [part] = await readAll(world, { format: ReadFormat.BATCHES });
  t.deepEqual(
    readRecords(part?.batches ?? new Uint8Array()).map((record) => Buffer.from(record.value ?? []).toString()),
    ['a', 'b'],
  );
});

test('repeated records of a producer land once', async (t) => {
  const world = await nodeWithTopic();
  const { cluster, channel } = world;
  const { producerId } = await cluster.time.run(channel.unary(LogService.method.initProducer, {}));
  const request = { topic: 't', partition: 0, records: [value('a')], producerId, sequence: 0 };
  const first = await cluster.time.run(channel.unary(LogService.method.append, request));
  const second = await cluster.time.run(channel.unary(LogService.method.append, request));
  t.is(first.baseOffset, second.baseOffset);
  t.deepEqual(await texts(world, {}), ['a']);
  const next = await cluster.time.run(channel.unary(LogService.method.initProducer, { producerId }));
  t.deepEqual([next.producerId, next.producerEpoch], [producerId, 1]);
});

for (const [what, request, reason] of [
  ['an unknown topic', { topic: 'nosuch', records: [value('a')] }, 'UNKNOWN_TOPIC'],
  ['an unknown partition', { topic: 't', partition: 7, records: [value('a')] }, 'UNKNOWN_PARTITION'],
  ['nothing', { topic: 't' }, 'INVALID_REQUEST'],
  [
    'records and a batch',
    { topic: 't', partition: 0, records: [value('a')], batch: batchOf(['b']) },
    'INVALID_REQUEST',
  ],
  ['a batch without a partition', { topic: 't', batch: batchOf(['b']) }, 'INVALID_REQUEST'],
  ['bytes that are no batch', { topic: 't', partition: 0, batch: Buffer.from('what is this') }, 'CORRUPT_BATCH'],
  ['a batch that is cut off', { topic: 't', partition: 0, batch: batchOf(['abc']).subarray(0, 70) }, 'CORRUPT_BATCH'],
  ['a negative expected offset', { topic: 't', records: [value('a')], expectedOffset: -1n }, 'INVALID_REQUEST'],
] as const) {
  test(`refused: ${what}`, async (t) => {
    const world = await nodeWithTopic();
    const { cluster, channel } = world;
    const appending = channel.unary(LogService.method.append, {
      ...request,
      records: [...('records' in request ? request.records : [])],
    });
    const error = await t.throwsAsync(cluster.time.run(appending));
    t.true(hasReason(error, reason), String(error));
    t.deepEqual(await texts(world, {}), []);
  });
}

test('offsets are found by every kind of position; a bad query fails alone', async (t) => {
  const world = await nodeWithTopic();
  const { cluster, channel } = world;
  await cluster.time.run(
    channel.unary(LogService.method.append, { topic: 't', partition: 0, batch: batchOf(['a', 'b', 'c']) }),
  );
  const queries = [
    { partition: 0, position: { at: { case: 'earliest' as const, value: {} } } },
    { partition: 0, position: { at: { case: 'latest' as const, value: {} } } },
    { partition: 0, position: { at: { case: 'beforeLatest' as const, value: 2n } } },
    { partition: 0, position: { at: { case: 'timestampMs' as const, value: 0n } } },
    { partition: 0, position: at(9n) },
    { partition: 4, position: at(0n) },
  ];
  const { answers } = await cluster.time.run(channel.unary(LogService.method.listOffsets, { topic: 't', queries }));
  t.deepEqual(
    answers.map(({ offset }) => offset),
    [0n, 3n, 1n, 0n, undefined, undefined],
  );
  t.deepEqual(answers[4]?.error?.fields, { offset: '9', start: '0', end: '3' });
  t.not(answers[5]?.error, undefined);
});

test('a trim moves the start, and never past what is committed', async (t) => {
  const world = await nodeWithTopic();
  const { cluster, channel } = world;
  await cluster.time.run(
    channel.unary(LogService.method.append, { topic: 't', partition: 0, batch: batchOf(['a', 'b', 'c']) }),
  );
  const trim = (beforeOffset: bigint, validateOnly = false) =>
    cluster.time.run(
      channel.unary(LogService.method.trimPartition, { topic: 't', partition: 0, beforeOffset, validateOnly }),
    );
  t.is((await trim(2n, true)).logStart, 0n);
  t.is((await trim(2n)).logStart, 2n);
  t.deepEqual(await texts(world, {}), ['c']);
  t.true(hasReason(await t.throwsAsync(trim(9n)), 'OFFSET_OUT_OF_RANGE'));
  t.true(hasReason(await t.throwsAsync(trim(-1n)), 'INVALID_REQUEST'));
});

test('what a reader of plain records makes the node unfold is said to be kept while he reads, and no longer', async (t) => {
  const { cluster, channel } = await nodeWithTopic();
  const builder = new BatchBuilder();
  for (let i = 0; i < 40; i += 1) builder.add({ key: null, value: Buffer.alloc(50_000, i), timestampMs: 0 });
  const batch = builder.build('zstd');
  await cluster.time.run(channel.unary(LogService.method.append, { topic: 't', partition: 0, batch }));
  const { channel: watched, kept } = watchedNode(cluster);
  const enough = new AbortController();
  const reading = (async () => {
    let count = 0;
    const request = { topic: 't', partition: 0, follow: true };
    for await (const { records } of watched.serverStream(LogService.method.read, request, { signal: enough.signal })) {
      count += records.length;
    }
    return count;
  })();
  await cluster.time.runUntil(() => kept.at(-1) === 0);
  const [first = 0] = kept;
  t.true(first > 40 * 50_000 && first < 1.1 * 40 * 50_000 + batch.length, `${first}`);
  enough.abort();
  await t.throwsAsync(reading);
});
