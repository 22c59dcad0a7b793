import { mkdtempSync, rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@moldau/client';
import { startDevCluster } from '@moldau/cluster';
import { StartError, silentLogger, silentMeter } from '@moldau/kernel';
import test, { type ExecutionContext } from 'ava';

const base = {
  memoryBytes: 64 * 1024 * 1024,
  host: '127.0.0.1',
  port: 0,
  version: 'test',
  logger: silentLogger,
  meter: silentMeter,
};

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'moldau-dev-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function values(port: number, topic: string): Promise<(string | null)[]> {
  await using moldau = await connect({ endpoints: `127.0.0.1:${port}` });
  const found: (string | null)[] = [];
  for await (const record of moldau.read(topic, { until: 'end' })) found.push(record.value);
  return found;
}

async function send(port: number, topic: string, value: string): Promise<void> {
  await using moldau = await connect({ endpoints: `127.0.0.1:${port}` });
  await using producer = moldau.producer({ topic });
  await producer.send({ value });
}

// The services' timers do not keep a process alive: what does here is this one.
const alive = setInterval(() => {}, 1_000);
test.after.always(() => clearInterval(alive));

test('what was written is there after a stop and a start, over real sockets and a real disk', async (t) => {
  const directory = folder(t);
  const first = await startDevCluster({ ...base, directory });
  await send(first.port, 'greetings', 'hello, river');
  await first.stop();
  const second = await startDevCluster({ ...base, directory });
  t.is(second.clusterId, first.clusterId);
  t.deepEqual(await values(second.port, 'greetings'), ['hello, river']);
  await second.stop();
});

test('in memory it works without a directory', async (t) => {
  const cluster = await startDevCluster({ ...base, directory: undefined });
  await send(cluster.port, 'greetings', 'hello, river');
  t.deepEqual(await values(cluster.port, 'greetings'), ['hello, river']);
  await cluster.stop();
});

test('three nodes stand behind one address, and each answers for the cluster', async (t) => {
  const cluster = await startDevCluster({ ...base, directory: folder(t), nodes: 3 });
  await using moldau = await connect({ endpoints: `127.0.0.1:${cluster.port}` });
  const topic = await moldau.admin.createTopic({ name: 'spread', partitions: 6 });
  t.deepEqual([...new Set(topic.partitions.map(({ leader }) => leader))].sort(), [1, 2, 3]);
  t.true(topic.partitions.every(({ replicas }) => new Set(replicas).size === 3));
  const producer = moldau.producer({ topic: 'spread' });
  for (let number = 0; number < 60; number += 1) await producer.push({ key: `k${number}`, value: `${number}` });
  await producer.close();
  t.is(new Set(await values(cluster.port, 'spread')).size, 60);
  const addresses = (await moldau.admin.listNodes()).map(({ address }) => address);
  // Three storage nodes and the group coordinator.
  t.deepEqual(addresses, Array(4).fill(`127.0.0.1:${cluster.port}`));
  await cluster.stop();
});

test('one node on the data of three says which are missing, and does not lend them its address', async (t) => {
  const directory = folder(t);
  const three = await startDevCluster({ ...base, directory, nodes: 3 });
  t.deepEqual(
    three.nodes.map(({ id }) => id),
    [1, 2, 3],
  );
  t.is(new Set([...three.nodes.map(({ address }) => address), `${three.host}:${three.port}`]).size, 4);
  await three.stop();
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const one = await startDevCluster({ ...base, directory, logger });
  t.true(warnings.includes('this data belongs to 3 nodes; 2 and 3 are not started (--nodes 3)'), warnings.join('\n'));
  await using moldau = await connect({ endpoints: `127.0.0.1:${one.port}` });
  t.deepEqual(
    (await moldau.admin.listNodes()).map(({ address }) => address),
    [
      `127.0.0.1:${one.port}`,
      ...three.nodes.slice(1).map(({ address }) => address),
      // The group coordinator: it keeps nothing, and is wherever it was started last.
      `127.0.0.1:${one.port}`,
    ],
  );
  await one.stop();
});

test('a port, a directory and a foreign directory are refused by name', async (t) => {
  const directory = folder(t);
  const running = await startDevCluster({ ...base, directory });
  const onPort = await t.throwsAsync(startDevCluster({ ...base, directory: folder(t), port: running.port }), {
    instanceOf: StartError,
  });
  t.regex(onPort?.message ?? '', new RegExp(`${running.port} is in use: .*another port`));
  const onDirectory = await t.throwsAsync(startDevCluster({ ...base, directory }), { instanceOf: StartError });
  t.regex(onDirectory?.message ?? '', /in use by another process: .*another directory/);
  await running.stop();

  const other = folder(t);
  await (await startDevCluster({ ...base, directory: other })).stop();
  rmSync(join(directory, 'node-1'), { recursive: true });
  await rename(join(other, 'node-1'), join(directory, 'node-1'));
  const foreign = await t.throwsAsync(startDevCluster({ ...base, directory }));
  t.regex(foreign?.message ?? '', /has data of cluster/);
});

test('a group goes on where it stood when the cluster starts again', async (t) => {
  const directory = folder(t);
  const consume = async (port: number, count: number): Promise<string[]> => {
    await using moldau = await connect({ endpoints: `127.0.0.1:${port}` });
    await using consumer = moldau.consumer({ group: 'g', topics: ['kept'], from: 'start' });
    const values: string[] = [];
    for await (const batch of consumer.batches({ maxRecords: count - values.length })) {
      values.push(...batch.records.map(({ value }) => value ?? ''));
      await batch.commit();
      if (values.length >= count) break;
    }
    return values;
  };
  const first = await startDevCluster({ ...base, directory });
  const moldau = await connect({ endpoints: `127.0.0.1:${first.port}` });
  await moldau.admin.createTopic({ name: 'kept', partitions: 1 });
  const producer = moldau.producer({ topic: 'kept' });
  for (let number = 0; number < 10; number += 1) await producer.push({ value: `${number}` });
  await producer.close();
  await moldau.close();
  t.deepEqual(await consume(first.port, 4), ['0', '1', '2', '3']);
  await first.stop();
  const second = await startDevCluster({ ...base, directory });
  t.deepEqual(await consume(second.port, 6), ['4', '5', '6', '7', '8', '9']);
  await second.stop();
});
