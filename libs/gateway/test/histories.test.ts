import { SeededRandom } from '@moldau/testing';
import test from 'ava';
import { behindGateway, createTopic, readAll, type World } from './support.ts';

const partitions = [0, 1, 2, 3, 4, 5];
const writers = ['a', 'b'];
const perWriter = 150;

/** Writes values that say in which order they were sent; resolves to where each was told to be. */
async function write(
  { time, client }: World,
  name: string,
  random: SeededRandom,
): Promise<Map<string, bigint | undefined>> {
  const told = new Map<string, bigint | undefined>();
  const producer = client(name).producer({ topic: 't', linger: 0, batchSize: '2KiB' });
  const acks: Promise<unknown>[] = [];
  for (let i = 0; i < perWriter; i += 1) {
    const value = `${name} ${i}`.padEnd(20 + Math.floor(random.next() * 3_000));
    const { ack } = await producer.push({ value, partition: partitions[i % partitions.length] ?? 0 });
    acks.push(ack.then(({ offset }) => told.set(`${name} ${i}`, offset)));
    await new Promise<void>((resolve) => time.after(random.next() * 80, resolve));
  }
  await producer.close();
  await Promise.all(acks);
  return told;
}

/** Nodes and the gateway die, connections break and fall silent, for eight seconds; then there is peace. */
async function spoil({ cluster, time, weather }: World, random: SeededRandom): Promise<void> {
  const until = time.monotonicMs() + 8_000;
  weather.delay({ min: 0, max: 4 });
  while (time.monotonicMs() < until) {
    await time.runFor(random.next() * 500);
    const node = cluster.node(1 + Math.floor(random.next() * 3));
    const [from, to] = random.next() < 0.5 ? [node.address, 'gateway-1'] : ['gateway-1', node.address];
    const faults = [
      async () => {
        node.kill(random.next() < 0.5 ? 'kill' : 'power');
        await time.runFor(random.next() * 1_500);
        await time.run(node.start());
      },
      async () => {
        cluster.gateway().kill();
        await time.runFor(random.next() * 500);
        await time.run(cluster.gateway().start());
      },
      async () => {
        weather.hold(from, to);
        await time.runFor(random.next() * 4_000);
        weather.release(cluster.network, from, to);
      },
      async () => {
        weather.dropConnections(0.01);
        await time.runFor(300);
        weather.dropConnections(0);
      },
      async () => cluster.network.cut(from, to),
    ];
    await faults[Math.floor(random.next() * faults.length)]?.();
  }
  weather.clear(cluster.network);
}

for (let seed = 1; seed <= 8; seed += 1) {
  test(`whatever breaks, what was acknowledged is there once, in order, where it was told to be: seed ${seed}`, async (t) => {
    const world = await behindGateway({ seed, diskLatencyMs: { min: 0.1, max: 3 } });
    const { cluster, time, client } = world;
    const random = new SeededRandom(seed);
    await createTopic(world);
    const writing = Promise.all(writers.map((name) => write(world, name, random)));
    const seen: string[] = [];
    const consumer = client('follower').consumer({ topics: ['t'], from: 'start', buffer: '64KiB' });
    const following = (async () => {
      for await (const { value } of consumer) seen.push((value ?? '').trim());
    })();
    await spoil(world, random);
    const told = new Map((await time.run(writing)).flatMap((one) => [...one]));
    await time.runUntil(() => new Set(seen).size === writers.length * perWriter);
    await time.runFor(3_000);
    await time.run(consumer.close());
    await time.run(following);
    t.is(seen.length, writers.length * perWriter, 'each was read once');
    for (const [partition, padded] of await readAll(world)) {
      const values = padded.map((value) => value.trim());
      for (const [offset, value] of values.entries()) t.is(told.get(value) ?? BigInt(offset), BigInt(offset), value);
      for (const name of writers) {
        const expected = Array.from({ length: perWriter / 6 }, (_, i) => `${name} ${i * 6 + partition}`);
        t.deepEqual(
          values.filter((value) => value.startsWith(name)),
          expected,
        );
      }
    }
    await time.runFor(20_000);
    const { heldAppendBytes, heldFetchBytes } = cluster.gateway().service;
    t.deepEqual([heldAppendBytes, heldFetchBytes], [0, 0]);
  });
}
