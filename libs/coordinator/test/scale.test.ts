import test from 'ava';
import { World } from './world.ts';

test('a node that led 1 000 of many partitions dies: all are dealt with within a second of store time', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const nodes = [];
  for (let id = 1; id <= 9; id++) nodes.push(await world.activeNode(office, id, { rack: `rack-${id % 3}` }));
  for (let i = 0; i < 5; i++) {
    await world.run(office.createTopic({ name: `topic-${i}`, partitions: 1_800, replicas: 3 }));
  }
  const txnMs = 2;
  world.store.faults.delayMs = txnMs;
  const before = (await world.run(world.store.status())).revision;
  nodes[0]?.die();
  await world.until(async () => (await office.describeCluster()).underReplicatedPartitions === 3_000);
  const transactions = Number((await world.run(world.store.status())).revision - before);
  t.log(`3 000 replicas and 1 000 leaders in ${transactions} transactions`);
  t.true(transactions * txnMs <= 1_000);
  t.is((await office.describeCluster()).offlinePartitions, 0);
  for (let i = 0; i < 5; i++) {
    const { topics } = await office.getMetadata({ topics: [`topic-${i}`] });
    t.false(topics?.[0]?.partitions?.some(({ leader }) => leader === 1));
  }
});

test('of 100 000 partitions on 100 nodes, those of a node that dies are dealt with within a second of store time', async (t) => {
  const world = new World(t);
  const office = await world.started({ sessionTimeoutMs: 900_000, leaseMs: 900_000 });
  const nodes = [];
  for (let id = 1; id <= 100; id++) nodes.push(await world.activeNode(office, id));
  for (let i = 0; i < 10; i++)
    await world.run(office.createTopic({ name: `topic-${i}`, partitions: 10_000, replicas: 3 }));
  t.is((await office.describeCluster()).partitions, 100_000);
  const txnMs = 2;
  world.store.faults.delayMs = txnMs;
  const before = (await world.run(world.store.status())).revision;
  const diedAt = performance.now();
  nodes[0]?.die();
  await world.until(async () => (await office.describeCluster()).underReplicatedPartitions === 3_000);
  const tookMs = Math.round(performance.now() - diedAt);
  const transactions = Number((await world.run(world.store.status())).revision - before);
  t.log(`1 000 leaders and 2 000 followers in ${transactions} transactions, ${tookMs} ms of this process`);
  t.true(transactions * txnMs <= 1_000);
  t.is((await office.describeCluster()).offlinePartitions, 0);
});
