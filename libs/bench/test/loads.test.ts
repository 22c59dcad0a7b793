import { connect } from '@moldau/client';
import { startDevCluster } from '@moldau/cluster';
import { silentLogger, silentMeter } from '@moldau/kernel';
import test from 'ava';
import { consumeLoad, consumeModes, endToEndLoad, paced, produceLoad } from '../src/index.ts';

test('loads write, read in every way, and time what they do', async (t) => {
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
    { message: /not what was written/ },
  );

  const steady = {
    topic: 'steady',
    perSecond: 200,
    seconds: 1,
    warmUpSeconds: 1,
    valueBytes: 50,
    producer: { linger: 0 },
  };
  const { acknowledged, read } = await endToEndLoad(client, client, steady, { records: 0 });
  t.is(acknowledged.records, 200);
  t.is(read.records, 200);
  t.true(read.p50 > 0 && read.p50 <= read.p99 && read.p99 <= read.max);
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
