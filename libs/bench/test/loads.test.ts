import { connect, type Moldau } from '@moldau/client';
import { startDevCluster } from '@moldau/cluster';
import { silentLogger, silentMeter } from '@moldau/kernel';
import test, { type ExecutionContext } from 'ava';
import { consumeLoad, consumeModes, endToEndLoad, paced, produceLoad } from '../src/index.ts';

async function connected(t: ExecutionContext): Promise<Moldau> {
  const cluster = await startDevCluster({
    directory: undefined,
    memoryBytes: 2 ** 26,
    host: '127.0.0.1',
    port: 0,
    version: 'test',
    logger: silentLogger,
    meter: silentMeter,
  });
  t.teardown(() => cluster.stop());
  const client = await connect({ endpoints: `127.0.0.1:${cluster.port}` });
  t.teardown(() => client.close());
  return client;
}

test('loads write, read in every way, and time what they do', async (t) => {
  const client = await connected(t);
  const records = 10_000;
  await client.admin.createTopic({ name: 'fast', partitions: 2 });
  const load = { topic: 'fast', records, valueBytes: 100, writer: 7, keys: 50, producer: { linger: 1 } };
  const wrote = await produceLoad(client, load, { records: 0 });
  t.is(wrote.records, records);
  t.true(wrote.latencies.records > 5 && wrote.endedAtMs > wrote.startedAtMs && wrote.peakMiB > 10);
  for (const mode of consumeModes) {
    const progress = { records: 0 };
    const { numbers } = await consumeLoad(client, { topic: 'fast', records, valueBytes: 100, mode }, progress);
    t.is(progress.records, records);
    if (mode !== 'raw') t.is(numbers, (records * (records - 1)) / 2);
  }
  await t.throwsAsync(
    consumeLoad(client, { topic: 'fast', records, valueBytes: 99, mode: 'records' }, { records: 0 }),
    { message: 'offset 0 of partition 0 holds 100 bytes, not 99' },
  );

  const steady = {
    topic: 'steady',
    perSecond: 200,
    seconds: 1,
    warmUpSeconds: 1,
    valueBytes: 50,
    producer: { linger: 0 },
  };
  await client.admin.createTopic({ name: 'steady' });
  const { acknowledged, read } = await endToEndLoad(client, client, steady, { records: 0 });
  t.is(acknowledged.records, 200);
  t.is(read.records, 200);
  t.true(read.p50 > 0 && read.p50 <= read.p99 && read.p99 <= read.max);
});

/** Aborts when a load has come so far. */
function after(records: number): { progress: { records: number }; signal: AbortSignal } {
  const stop = new AbortController();
  let sofar = 0;
  const progress = {
    get records() {
      return sofar;
    },
    set records(value: number) {
      sofar = value;
      if (value >= records) stop.abort();
    },
  };
  return { progress, signal: stop.signal };
}

test('a load that is stopped reports what was done until then', async (t) => {
  const client = await connected(t);
  const records = 1_000_000;
  for (const perSecond of [undefined, 1_000]) {
    const topic = `stopped-${perSecond}`;
    await client.admin.createTopic({ name: topic });
    const { progress, signal } = after(500);
    const load = { topic, records, valueBytes: 50, writer: 1, perSecond, producer: { linger: 0 } };
    const wrote = await produceLoad(client, load, progress, signal);
    t.true(wrote.records >= 500 && wrote.records < 5_000, `${wrote.records}`);
    const [end] = await client.admin.listOffsets(topic, 'end');
    t.is(end?.offset, BigInt(wrote.records));
    // It waits for what does not come, until it is told.
    const reading = after(wrote.records);
    const load2 = { topic, records, valueBytes: 50, mode: 'batches' as const };
    t.is((await consumeLoad(client, load2, reading.progress, reading.signal)).records, wrote.records);
  }
  const { progress, signal } = after(300);
  await client.admin.createTopic({ name: 'both' });
  const steady = { topic: 'both', perSecond: 1_000, seconds: 600, warmUpSeconds: 0, valueBytes: 50, producer: {} };
  const report = await endToEndLoad(client, client, steady, progress, signal);
  t.true(report.records >= 300 && report.records < 5_000);
  t.is(report.read.records, report.records);
});

test('a load ends with the first record that is lost, and throws it', async (t) => {
  const client = await connected(t);
  await client.admin.createTopic({ name: 'gone' });
  const { progress, signal } = after(200);
  signal.addEventListener('abort', () => void client.admin.deleteTopic('gone'));
  const producer = { linger: 0, deliveryTimeout: '500ms' } as const;
  const load = { topic: 'gone', records: 100_000, valueBytes: 50, writer: 1, perSecond: 1_000, producer };
  await t.throwsAsync(produceLoad(client, load, progress));
  t.true(progress.records < 20_000, `${progress.records}`);
});

test('a steady rate is kept, and one that was held up is late, not left out', async (t) => {
  const lates: number[] = [];
  const startedAt = performance.now();
  await paced(100, 500, async (number, dueAt) => {
    lates.push(performance.now() - dueAt);
    if (number === 50) await new Promise((resolve) => setTimeout(resolve, 60));
  });
  t.is(lates.length, 100);
  t.true(performance.now() - startedAt >= 190, 'the last one was due after 198 ms');
  t.true(lates.every((late) => late >= 0));
  t.true((lates[51] ?? 0) > 40, 'due 2 ms behind the one that took 60');
});
