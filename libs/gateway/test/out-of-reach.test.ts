import { SendFailed } from '@moldau/client';
import { MemoryFileSystem } from '@moldau/host';
import { nodeId, silentLogger, silentMeter } from '@moldau/kernel';
import type { Conditions } from '@moldau/rpc';
import { StorageNode } from '@moldau/storage-node';
import test from 'ava';
import { behindGateway } from './support.ts';

const KiB = 1024;

/** A node that tells the cluster an address at which nobody listens. */
async function lostNode({ cluster, time }: Awaited<ReturnType<typeof behindGateway>>, id: number, address: string) {
  const ports = { clock: time, timers: time, random: cluster.random, logger: silentLogger, meter: silentMeter };
  const node = new StorageNode(
    {
      ...ports,
      fs: new MemoryFileSystem(64 * KiB * KiB),
      dialer: cluster.network.dialer(`node-${id}`),
      bootId: 'boot',
    },
    {
      nodeId: nodeId(id),
      directory: '/data',
      coordinators: ['coordinator-1'],
      rack: '',
      version: 'test',
      tailCacheBytes: KiB,
      appendBudgetBytes: 256 * KiB,
      appendWindowBytes: 64 * KiB,
      minFreeBytes: 0,
      scrubIntervalMs: Number.POSITIVE_INFINITY,
    },
  );
  await time.run(node.start(address));
  return node;
}

/** Entries take longer to the gateway than it needs to find out that nobody listens. */
const conditions: Conditions = (_, to, bytes) => ({ delayMs: to === 'gateway-1' && bytes > 1_000 ? 2 : 0 });

test('who writes to a node whose address leads nowhere is told the address', async (t) => {
  const world = await behindGateway({ conditions });
  await lostNode(world, 4, 'nowhere:7071');
  const { admin } = world.client('admin');
  await world.time.run(admin.createTopic({ name: 't', partitions: 8 }));
  const { topic } = await world.time.run(admin.describeTopic('t'));
  const partition = topic?.partitions.find(({ leader }) => leader === 4)?.index ?? -1;
  const producer = world.client('app').producer({ topic: 't', linger: 0, batchSize: '1KiB', deliveryTimeout: '5s' });
  const sending = async (): Promise<PromiseSettledResult<unknown>[]> => {
    const tickets: Promise<unknown>[] = [];
    for (let i = 0; i < 20; i += 1) tickets.push((await producer.push({ value: `${i}`.padEnd(1_000), partition })).ack);
    return Promise.allSettled(tickets);
  };
  for (const fate of await world.time.run(sending())) {
    const error: unknown = fate.status === 'rejected' ? fate.reason : undefined;
    if (!(error instanceof SendFailed)) return t.fail('nothing can be written there');
    t.regex(error.message, /nowhere:7071/);
    t.is(error.outcome, 'NOT_WRITTEN');
  }
  // Each loss was seen.
  await world.time.run(producer.close());
});
