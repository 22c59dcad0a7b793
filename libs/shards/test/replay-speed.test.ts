import { startDevCluster } from '@moldau/cluster';
import { hostClock, hostRandom, hostTimers } from '@moldau/host';
import { silentLogger, silentMeter } from '@moldau/kernel';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { ClusterView, Connections } from '@moldau/routing';
import { defaultLimits, GrpcDialer } from '@moldau/rpc';
import test from 'ava';
import { type EncodedRecord, PartitionShardLog, ShardOwner } from '../src/index.ts';
import { type Request, recordOf, registers } from './support/registers.ts';

const records = 100_000;
const batchRecords = 1_000;
/** A new owner has a shard of this size in so long. */
const targetMs = 2_000;

test('a shard of 100 000 records has a new owner in 2 s, over sockets', async (t) => {
  const cluster = await startDevCluster({
    directory: undefined,
    memoryBytes: 256 * 1024 * 1024,
    host: '127.0.0.1',
    port: 0,
    nodes: 1,
    version: 'test',
    logger: silentLogger,
    meter: silentMeter,
  });
  const address = `${cluster.host}:${cluster.port}`;
  const world = { clock: hostClock, timers: hostTimers, random: hostRandom, logger: silentLogger };
  const connections = new Connections(new GrpcDialer({ ...world, limits: defaultLimits }));
  const view = new ClusterView([address], { ...world, connections });
  t.teardown(async () => {
    await view.stop();
    connections.close();
    await cluster.stop();
  });
  view.start();
  const topic = { name: 'shards', partitions: 1 };
  await connections.to(address, 'control').unary(ClusterService.method.createTopic, topic);
  const log = (fencingToken: bigint): PartitionShardLog =>
    new PartitionShardLog({ topic: 'shards', partition: 0, fencingToken }, { ...world, view, connections });

  const writer = log(1n);
  await writer.open();
  // Like the offsets of many groups: long keys, short values.
  const nameOf = (n: number): string => `group-${n % 97}/topic-with-a-usual-name/${n}`;
  for (let first = 0; first < records; first += batchRecords) {
    const batch = Array.from({ length: batchRecords }, (_, i): EncodedRecord => recordOf(nameOf(first + i), first + i));
    await writer.append(batch);
  }
  writer.close();

  const states: Map<string, number>[] = [];
  const startedAt = hostClock.monotonicMs();
  const owner = new ShardOwner<Request, number, string>('shards/0', registers(states), {
    ...world,
    log: log(2n),
    frame() {},
    lost() {},
  });
  owner.start();
  await owner.ready();
  const tookMs = hostClock.monotonicMs() - startedAt;
  t.is(states[0]?.size, records);
  t.log(`${records} records in ${Math.round(tookMs)} ms`);
  t.true(tookMs <= targetMs, `${tookMs} ms`);
  owner.stop();
});
