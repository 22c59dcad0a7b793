import { type OutgoingRecord, SendFailed } from '@moldau/client';
import { hasReason } from '@moldau/kernel';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';

async function running(seed = 1): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster({ seed, diskLatencyMs: { min: 0.1, max: 3 } });
  await cluster.time.run(cluster.coordinator().start());
  await cluster.time.run(cluster.node().start());
  return cluster;
}

/** Every record of a topic as `partition/offset value`. */
async function everything(cluster: SimulatedCluster, topic: string): Promise<string[]> {
  const found: string[] = [];
  const reading = async (): Promise<void> => {
    for await (const record of cluster.client('checker').read(topic, { until: 'end' })) {
      found.push(`${record.partition}/${record.offset} ${record.value}`);
    }
  };
  await cluster.time.run(reading());
  return found;
}

test('a record goes in and comes out', async (t) => {
  const cluster = await running();
  const producer = cluster.client('app').producer({ topic: 'greetings' });
  const sent = await cluster.time.run(producer.send({ key: 'k', value: 'hello, river' }));
  t.deepEqual(sent, { partition: 0, offset: 0n });
  t.deepEqual(await everything(cluster, 'greetings'), ['0/0 hello, river']);
});

test('records that are pushed side by side are each told where they are', async (t) => {
  const cluster = await running();
  const producer = cluster.client('app').producer({ topic: 'many', buffer: 400 });
  const values = Array.from({ length: 20 }, (_, i) => `v${i}`);
  const sent = await cluster.time.run(Promise.all(values.map((value) => producer.send({ value }))));
  t.deepEqual(sent.map(({ offset }, i) => `0/${offset} v${i}`).sort(), (await everything(cluster, 'many')).sort());
});

test('records of pushAll carry the time at which they were taken, but for sixteen at a time, or their own', async (t) => {
  const cluster = await running();
  const client = cluster.client('app');
  const own = 1_000;
  const beforeMs = cluster.clientClock.wallMs();
  const pushing = async (): Promise<void> => {
    // Only a few have room: time passes between them.
    await using producer = client.producer({ topic: 'timed', buffer: 4_000 });
    const values = Array.from({ length: 200 }, (_, i) => ({ value: `v${i}`, ...(i === 100 && { timestampMs: own }) }));
    await producer.pushAll(values);
  };
  await cluster.time.run(pushing());
  const afterMs = cluster.clientClock.wallMs();
  const times: number[] = [];
  const reading = async (): Promise<void> => {
    for await (const { timestampMs } of cluster.client('checker').read('timed', { until: 'end' }))
      times.push(timestampMs);
  };
  await cluster.time.run(reading());
  t.is(times.splice(100, 1)[0], own);
  t.is(times.length, 199);
  t.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  t.true((times[0] ?? 0) >= beforeMs && (times.at(-1) ?? 0) <= afterMs);
  // Asked often enough to see that it took a while.
  t.true(new Set(times).size >= 5, `${[...new Set(times)]}`);
});

test('what would spoil a batch is refused, and its neighbours are sent', async (t) => {
  const cluster = await running();
  const odd = { encode: (value: unknown) => value as Uint8Array, decode: (bytes: Uint8Array): unknown => bytes };
  const producer = cluster.client('app').producer<string, unknown>({ topic: 'spoiled', value: odd });
  const good = producer.send({ value: Buffer.from('first') });
  const refused = [
    ...[1.5, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60].map((timestampMs) => ({
      value: Buffer.from('late'),
      timestampMs,
    })),
    ...['a text', 5, new Uint16Array([1, 2, 300]), [1]].map((value) => ({ value })),
  ];
  for (const record of refused) {
    const error = await t.throwsAsync(cluster.time.run(producer.push(record)));
    t.true(hasReason(error, 'INVALID_REQUEST'), String(error));
  }
  t.is(String((await cluster.time.run(good)).offset), '0');
  t.is(String((await cluster.time.run(producer.send({ value: Buffer.from('last') }))).offset), '1');
  await cluster.time.run(producer.close());
  t.deepEqual(await everything(cluster, 'spoiled'), ['0/0 first', '0/1 last']);
});

test('what was sent before close is written, also what waits for its topic, or for room', async (t) => {
  const cluster = await running();
  const producer = cluster.client('app').producer({ topic: 'closing', buffer: 400 });
  const sending = Array.from({ length: 30 }, (_, i) => producer.send({ value: `v${i}` }));
  const closing = producer.close();
  await t.throwsAsync(producer.push({ value: 'too late' }), { message: /is closed/ });
  await cluster.time.run(closing);
  t.is((await Promise.all(sending)).length, 30);
  t.is((await everything(cluster, 'closing')).length, 30);
});

test('order within a key holds over many batches and partitions', async (t) => {
  const cluster = await running();
  const client = cluster.client('app');
  await cluster.time.run(client.admin.createTopic({ name: 'orders', partitions: 3 }));
  const producer = client.producer({ topic: 'orders', batchSize: '1KiB' });
  const sending = async (): Promise<void> => {
    for (let i = 0; i < 3000; i += 1) await producer.push({ key: `k${i % 10}`, value: `${i}` });
    await producer.flush();
  };
  await cluster.time.run(sending());
  const found = await everything(cluster, 'orders');
  t.is(found.length, 3000);
  const last = new Map<string, number>();
  for (const line of found) {
    const value = Number(line.split(' ')[1]);
    const key = `k${value % 10}`;
    t.true(value > (last.get(key) ?? -1));
    last.set(key, value);
  }
});

for (const how of ['kill', 'power'] as const) {
  test(`what was acknowledged is there once after ${how}, and the producer goes on by itself`, async (t) => {
    const cluster = await running(7);
    const producer = cluster.client('app').producer({ topic: 't', linger: '1ms', batchSize: '1KiB' });
    const tickets: Promise<{ offset: bigint | undefined }>[] = [];
    const sending = async (): Promise<void> => {
      for (let i = 0; i < 2000; i += 1) tickets.push((await producer.push({ value: `${i}` })).ack);
      await producer.flush();
    };
    const done = sending();
    await cluster.time.runUntil(() => tickets.length > 300);
    await cluster.time.runFor(4);
    cluster.node().kill(how);
    await cluster.time.runFor(500);
    await cluster.time.run(cluster.node().start());
    await cluster.time.run(done);
    const offsets = await Promise.all(tickets.map(async (ticket) => (await ticket).offset));
    const found = await everything(cluster, 't');
    t.deepEqual(
      found,
      offsets.map((offset, i) => `0/${offset} ${i}`),
    );
  });
}

test('a partition that was added is written to at once; one that is not there is refused', async (t) => {
  const cluster = await running();
  const client = cluster.client('app');
  const { time } = cluster;
  await time.run(client.admin.createTopic({ name: 't', partitions: 1 }));
  const producer = client.producer({ topic: 't' });
  await time.run(producer.send({ partition: 0, value: 'v' }));
  await time.run(client.admin.updateTopic('t', { partitions: 3 }));
  t.like(await time.run(producer.send({ partition: 2, value: 'v' })), { partition: 2, offset: 0n });
  for (const partition of [3, -1, 0.5]) {
    const error = await t.throwsAsync(time.run(producer.send({ partition, value: 'v' })));
    t.true(hasReason(error, 'UNKNOWN_PARTITION'), `${partition}`);
  }
  await time.run(producer.close());
});

test('a record that is too large is refused before it is sent', async (t) => {
  const cluster = await running();
  const producer = cluster.client('app').producer({ topic: 't' });
  const error = await t.throwsAsync(cluster.time.run(producer.send({ value: 'x'.repeat(2_000_000) })));
  t.true(hasReason(error, 'RECORD_TOO_LARGE'));
  await cluster.time.run(producer.flush());
});

test('headers that are none are refused, with what headers are', async (t) => {
  const cluster = await running();
  const producer = cluster.client('app').producer({ topic: 't' });
  // As unchecked JavaScript hands them in.
  for (const headers of [
    '[["h","v"]]',
    '{"h":"v"}',
    '[{"name":"h"}]',
    '[{"name":1,"value":"v"}]',
    '["h=v"]',
    '[null]',
  ]) {
    const record = JSON.parse(`{"value":"x","headers":${headers}}`) as OutgoingRecord<string, string>;
    const sending = producer.send(record);
    const error = await t.throwsAsync(cluster.time.run(sending), {
      message: 'headers must be a list of { name, value }: name a text, value a text, bytes or null',
    });
    t.true(hasReason(error, 'INVALID_REQUEST'));
  }
  const headers = [
    { name: 'text', value: 'v' },
    { name: 'bytes', value: Buffer.from('v') },
    { name: 'none', value: null },
  ];
  await cluster.time.run(producer.send({ value: 'x', headers }));
});

test('when the cluster stays away, a record fails with what is known of it, and flush says so', async (t) => {
  const cluster = await running();
  const producer = cluster.client('app').producer({ topic: 't', deliveryTimeout: '5s' });
  await cluster.time.run(producer.send({ value: 'first' }));
  cluster.node().kill('kill');
  const ticket = await cluster.time.run(producer.push({ value: 'second' }));
  await t.throwsAsync(cluster.time.run(producer.flush()), { instanceOf: SendFailed });
  await t.throwsAsync(cluster.time.run(ticket.ack), { instanceOf: SendFailed });
  await cluster.time.run(producer.flush());
});

test('a loss that its sender has seen is not thrown again by flush and close; one of another record is', async (t) => {
  const cluster = await running();
  const { time } = cluster;
  const producer = cluster.client('app').producer({ topic: 't', deliveryTimeout: '5s' });
  await time.run(producer.send({ value: 'first' }));
  cluster.node().kill('kill');
  await t.throwsAsync(time.run(producer.send({ value: 'second' })), { instanceOf: SendFailed });
  await time.run(producer.flush());
  // Of one batch: it is seen when all of its records are.
  const [third, fourth] = [
    await time.run(producer.push({ value: 'third' })),
    await time.run(producer.push({ value: 'fourth' })),
  ];
  await t.throwsAsync(time.run(third.ack), { instanceOf: SendFailed });
  await t.throwsAsync(time.run(third.ack), { instanceOf: SendFailed });
  await t.throwsAsync(time.run(producer.flush()), { instanceOf: SendFailed });
  await t.throwsAsync(time.run(fourth.ack), { instanceOf: SendFailed });
  // Behind its loss, and before the flush.
  const fifth = await time.run(producer.push({ value: 'fifth' }));
  await time.runFor(20_000);
  await t.throwsAsync(time.run(fifth.ack), { instanceOf: SendFailed });
  await time.run(producer.close());
});

test('a disk that fills up in the middle of a write loses nothing, and the producer goes on when there is room', async (t) => {
  const cluster = await running(5);
  const producer = cluster.client('app').producer({ topic: 't', linger: '1ms', batchSize: '1KiB' });
  await cluster.time.run(producer.send({ value: 'first' }));
  const tickets: Promise<{ offset: bigint | undefined }>[] = [];
  cluster.node().disk.fail('append', 'ENOSPC', 3, '.log');
  const sending = async (): Promise<void> => {
    for (let i = 0; i < 500; i += 1) tickets.push((await producer.push({ value: `${i}` })).ack);
    await producer.flush();
  };
  await cluster.time.run(sending());
  const offsets = await Promise.all(tickets.map(async (ticket) => (await ticket).offset));
  t.deepEqual(await everything(cluster, 't'), ['0/0 first', ...offsets.map((offset, i) => `0/${offset} ${i}`)]);
});

test('a topic that goes away fails what waits, and a new one of its name takes what comes later', async (t) => {
  const cluster = await running();
  const client = cluster.client('app');
  const producer = client.producer({ topic: 't' });
  await cluster.time.run(producer.send({ value: 'old' }));
  await cluster.time.run(client.admin.deleteTopic('t'));
  const error = await t.throwsAsync(cluster.time.run(producer.send({ value: 'lost' })));
  t.true(hasReason(error, 'UNKNOWN_TOPIC'));
  await cluster.time.run(client.admin.createTopic({ name: 't' }));
  await cluster.time.run(producer.send({ value: 'new' }));
  t.deepEqual(await everything(cluster, 't'), ['0/0 new']);
});

test('a deadline holds although the disk hangs and no credit comes back', async (t) => {
  const cluster = await running();
  const producer = cluster.client('app').producer({ topic: 't', deliveryTimeout: '20s', batchSize: '60KiB' });
  await cluster.time.run(producer.send({ value: 'first' }));
  cluster.node().disk.holdSyncs();
  const startedAt = cluster.time.monotonicMs();
  const tickets: Promise<unknown>[] = [];
  const pushing = async (): Promise<void> => {
    for (let i = 0; i < 20; i += 1) tickets.push((await producer.push({ value: 'x'.repeat(60_000) })).ack);
  };
  await cluster.time.run(pushing());
  const fates = await cluster.time.run(Promise.allSettled(tickets));
  t.true(fates.every(({ status }) => status === 'rejected'));
  t.true(cluster.time.monotonicMs() - startedAt < 90_000);
  cluster.node().disk.releaseSyncs();
  await cluster.time.run(producer.flush());
});

test('an aborted producer gives everything up at once, and answers that come later concern nobody', async (t) => {
  const cluster = await running();
  const producer = cluster.client('app').producer({ topic: 't' });
  await cluster.time.run(producer.send({ value: 'first' }));
  cluster.node().disk.holdSyncs();
  const ticket = await cluster.time.run(producer.push({ value: 'second' }));
  await cluster.time.runFor(50);
  producer.abort();
  const error = await t.throwsAsync(cluster.time.run(ticket.ack));
  t.is(error instanceof SendFailed && error.outcome, 'UNKNOWN');
  cluster.node().disk.releaseSyncs();
  await cluster.time.runFor(1_000);
  t.true(hasReason(await t.throwsAsync(cluster.time.run(producer.push({ value: 'third' }))), 'NOT_SERVING'));
});

test('batches stay below what the topic takes', async (t) => {
  const cluster = await running();
  const client = cluster.client('app');
  await cluster.time.run(client.admin.createTopic({ name: 'small', config: { 'max.batch.bytes': '2KiB' } }));
  const producer = client.producer({ topic: 'small' });
  const sending = async (): Promise<void> => {
    for (let i = 0; i < 100; i += 1) await producer.push({ value: `${i}`.padEnd(300) });
    await producer.flush();
  };
  await cluster.time.run(sending());
  t.is((await everything(cluster, 'small')).length, 100);
});

test('a client that was closed leaves no timer behind: its process may end', async (t) => {
  const cluster = await running();
  const live = async (name: string): Promise<void> => {
    const client = cluster.client(name);
    const producer = client.producer({ topic: 't' });
    // More than a session's window: it waits for room in between.
    for (let i = 0; i < 10; i += 1) await producer.push({ value: name.padEnd(60_000) });
    await producer.close();
    for await (const _ of client.read('t', { until: 'end' }));
    await client.close();
  };
  await cluster.time.run(live('first'));
  await cluster.time.runFor(3_000);
  const before = cluster.time.pending;
  await cluster.time.run(live('second'));
  await cluster.time.runFor(3_000);
  t.is(cluster.time.pending, before);
});

test('an option out of its bounds is refused at once, by its name', async (t) => {
  const client = (await running()).client('app');
  for (const [options, field, bounds] of [
    [{ batchSize: 0 }, 'batchSize', '1B to 1GiB'],
    [{ batchSize: Number.NaN }, 'batchSize', '1B to 1GiB'],
    [{ linger: -1 }, 'linger', '0ms to 1h'],
    [{ buffer: 0 }, 'buffer', '1B to 1TiB'],
  ] as const) {
    const error = t.throws(() => client.producer({ topic: 't', ...options }));
    t.true(hasReason(error, 'INVALID_REQUEST') && error.fields.field === field);
    t.regex(error.message, new RegExp(`${field} .*: use ${bounds}`));
  }
});
