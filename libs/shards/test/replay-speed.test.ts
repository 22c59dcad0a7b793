import { Coordinator } from '@moldau/coordinator';
import { EmbeddedStore, inMemory } from '@moldau/embedded-store';
import { hostClock, hostRandom, hostTimers, MemoryFileSystem } from '@moldau/host';
import { nodeId, silentLogger, silentMeter } from '@moldau/kernel';
import { ClusterView, Connections } from '@moldau/routing';
import { defaultLimits, GrpcDialer, GrpcServer, type ServedService } from '@moldau/rpc';
import { StorageNode } from '@moldau/storage-node';
import { askForGroups } from '@moldau/testing';
import test, { type ExecutionContext } from 'ava';
import { type EncodedRecord, PartitionShardLog, ShardOwner } from '../src/index.ts';
import { type Request, recordOf, registers } from './support/registers.ts';
import { groupsTopic } from './support/world.ts';

const MiB = 1024 * 1024;

const records = 100_000;
const batchRecords = 1_000;
/** A new owner has a shard of this size in so long. */
const targetMs = 2_000;

const limits = defaultLimits;
const world = { clock: hostClock, timers: hostTimers, random: hostRandom, logger: silentLogger, meter: silentMeter };

// The services' timers do not keep a process alive: what does here is this one.
const alive = setInterval(() => {}, 1_000);
test.after.always(() => clearInterval(alive));

async function listen(t: ExecutionContext, services: ServedService[]): Promise<string> {
  const server = new GrpcServer({ ...world, limits, services });
  const { host, port } = await server.listen('127.0.0.1', 0);
  t.teardown(() => server.drain(0));
  return `${host}:${port}`;
}

/** A coordinator and a storage node, each behind a server of its own; the address of the coordinator. */
async function startAll(t: ExecutionContext): Promise<string> {
  const dialer = new GrpcDialer({ ...world, limits });
  const store = EmbeddedStore.open(inMemory, world);
  const coordinator = new Coordinator({ ...world, store, dialer }, { defaultReplicas: 1 });
  const address = await listen(t, coordinator.services());
  await coordinator.start(address);
  const node = new StorageNode(
    { ...world, fs: new MemoryFileSystem(256 * MiB), dialer, bootId: 'boot' },
    {
      nodeId: nodeId(1),
      directory: '/node',
      coordinators: [address],
      rack: '',
      version: 'test',
      tailCacheBytes: 4 * MiB,
      appendBudgetBytes: 16 * MiB,
      appendWindowBytes: 4 * MiB,
      minFreeBytes: 0,
      scrubIntervalMs: Number.POSITIVE_INFINITY,
    },
  );
  await node.start(await listen(t, node.services()));
  t.teardown(async () => {
    await node.stop();
    await coordinator.stop();
    await store.close();
  });
  return address;
}

test('a shard of 100 000 records has a new owner in 2 s, over sockets', async (t) => {
  const address = await startAll(t);
  const connections = new Connections(new GrpcDialer({ ...world, limits }));
  const view = new ClusterView([address], { ...world, connections });
  t.teardown(async () => {
    await view.stop();
    connections.close();
  });
  view.start();
  await askForGroups(connections.to(address, 'control'));
  const log = (fencingToken: bigint): PartitionShardLog =>
    new PartitionShardLog({ topic: groupsTopic, partition: 0, fencingToken }, { ...world, view, connections });

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
