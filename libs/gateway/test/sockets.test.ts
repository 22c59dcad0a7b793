import { create } from '@bufbuild/protobuf';
import { connect } from '@moldau/client';
import { Coordinator } from '@moldau/coordinator';
import { EmbeddedStore, inMemory } from '@moldau/embedded-store';
import { Gateway } from '@moldau/gateway';
import { hostClock, hostRandom, hostTimers, MemoryFileSystem } from '@moldau/host';
import { nodeId, silentLogger, silentMeter } from '@moldau/kernel';
import { LogService, ReadFormat } from '@moldau/proto/moldau/log/v1/log_pb';
import { GetServerInfoResponseSchema, ServerInfoService } from '@moldau/proto/moldau/server/v1/server_info_pb';
import { BatchBuilder } from '@moldau/records';
import { defaultLimits, GrpcDialer, GrpcServer, type ServedService, serve } from '@moldau/rpc';
import { StorageNode } from '@moldau/storage-node';
import test, { type ExecutionContext } from 'ava';

const MiB = 1024 * 1024;
const world = { clock: hostClock, timers: hostTimers, random: hostRandom, logger: silentLogger, meter: silentMeter };
const dialer = new GrpcDialer({ ...world, limits: defaultLimits });

// The services' timers do not keep a process alive: what does here is this one.
const alive = setInterval(() => {}, 1_000);
test.after.always(() => clearInterval(alive));

/** What `connect` asks first. */
const serverInfo = serve(ServerInfoService, { getServerInfo: async () => create(GetServerInfoResponseSchema) });

async function listen(t: ExecutionContext, services: ServedService[]): Promise<string> {
  const server = new GrpcServer({ ...world, limits: defaultLimits, services: [...services, serverInfo] });
  const { host, port } = await server.listen('127.0.0.1', 0);
  t.teardown(() => server.drain(0));
  return `${host}:${port}`;
}

/** A coordinator, two storage nodes and a gateway, each behind a server of its own; the address of the gateway. */
async function startAll(t: ExecutionContext): Promise<{ gateway: Gateway; address: string }> {
  const store = EmbeddedStore.open(inMemory, world);
  const coordinator = new Coordinator({ ...world, store, dialer }, {});
  const coordinators = [await listen(t, coordinator.services())];
  await coordinator.start(coordinators[0] ?? '');
  const nodes = [1, 2].map(
    (id) =>
      new StorageNode(
        { ...world, fs: new MemoryFileSystem(256 * MiB), dialer, bootId: 'boot' },
        {
          nodeId: nodeId(id),
          directory: `/node-${id}`,
          coordinators,
          rack: '',
          version: 'test',
          tailCacheBytes: 4 * MiB,
          appendBudgetBytes: 16 * MiB,
          appendWindowBytes: 4 * MiB,
          minFreeBytes: 0,
          scrubIntervalMs: Number.POSITIVE_INFINITY,
        },
      ),
  );
  for (const node of nodes) await node.start(await listen(t, node.services()));
  const gateway = new Gateway(
    { ...world, dialer },
    { coordinators, appendBytes: 16 * MiB, fetchBytes: 16 * MiB, windowBytes: 4 * MiB },
  );
  const address = await listen(t, gateway.services());
  await gateway.start();
  t.teardown(async () => {
    await gateway.stop();
    for (const node of nodes) await node.stop();
    await coordinator.stop();
    await store.close();
  });
  return { gateway, address };
}

test('over sockets: unary calls and sessions, through a gateway to two nodes', async (t) => {
  const { gateway, address } = await startAll(t);
  await using moldau = await connect({ endpoints: address });
  await moldau.admin.createTopic({ name: 't', partitions: 4 });
  t.deepEqual(
    (await moldau.admin.listNodes()).map(({ address: told }) => told),
    [address, address],
  );

  const channel = dialer.dial(address, 'data');
  t.teardown(() => channel.close());
  const { append, read } = LogService.method;
  const batch = new BatchBuilder();
  for (const key of ['a', 'b']) batch.add({ key: Buffer.from(key), value: null, timestampMs: hostClock.wallMs() });
  for (let partition = 0; partition < 4; partition += 1) {
    const answer = await channel.unary(append, { topic: 't', partition, batch: batch.build() });
    t.deepEqual([answer.partition, answer.baseOffset], [partition, 0n]);
    const seen: bigint[] = [];
    for await (const { records } of channel.serverStream(read, { topic: 't', partition, format: ReadFormat.RECORDS })) {
      for (const { offset = -1n } of records) seen.push(offset);
    }
    t.deepEqual(seen, [0n, 1n]);
  }

  const producer = moldau.producer({ topic: 't', batchSize: '16KiB' });
  const count = 4_000;
  for (let i = 0; i < count; i += 1) await producer.push({ value: `${i}`.padEnd(500), partition: i % 4 });
  await producer.close();
  const last = new Map<number, number>();
  let total = 0;
  for await (const { partition, offset, value } of moldau.read('t', { until: 'end' })) {
    t.is(Number(offset), (last.get(partition) ?? -1) + 1);
    last.set(partition, Number(offset));
    if (offset >= 2n) total += Number(value) >= 0 ? 1 : 0;
  }
  t.is(total, count);
  t.is(gateway.heldAppendBytes, 0);
});
