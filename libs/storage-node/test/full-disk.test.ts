import type { SimulatedNode } from '@moldau/testing';
import test from 'ava';
import { threeCopies } from './three-copies.ts';

/** Not a byte is left, by default: not even the checkpoint can be written. */
const fill = ({ disk }: SimulatedNode, freeBytes = 0): void => {
  disk.capacityBytes = 1e12;
  disk.capacityBytes = 1e12 - disk.freeBytes + freeBytes;
};

test('a node whose disk is full to the last byte is kept, and is led by others as long as that lasts', async (t) => {
  const { time, send, leader, client, converged } = await threeCopies();
  await send('before');
  const full = leader();
  fill(full);
  await time.runUntil(() => leader() !== full, 10_000);
  // The leadership is given back to whoever is preferred, again and again.
  for (let round = 1; round <= 8; round += 1) {
    const before = time.monotonicMs();
    await send(`round ${round}`);
    // It can't say that it follows, so it is waited for as long as anybody who is silent: `replica.lag.max`.
    const maxMs = round === 1 ? 11_000 : 5_000;
    t.true(time.monotonicMs() - before < maxMs, `round ${round} took ${time.monotonicMs() - before} ms`);
    await time.runFor(10_000);
    t.is((await time.run(client.admin.describeCluster())).activeNodes, 3);
  }
  full.disk.capacityBytes = Number.POSITIVE_INFINITY;
  await converged();
});

test('a follower that has no space for more is not waited for', async (t) => {
  const { time, send, followers, leader, partitionOn, converged } = await threeCopies();
  await send('before');
  const [full] = followers();
  if (full === undefined) return t.fail();
  fill(full, 3_000);
  const before = time.monotonicMs();
  await send('x'.repeat(20_000));
  t.true(time.monotonicMs() - before < 1_000, `it took ${time.monotonicMs() - before} ms`);
  t.is(partitionOn(leader()).leading?.committed.isr.length, 2);
  full.disk.capacityBytes = Number.POSITIVE_INFINITY;
  await converged();
});

test('a partition for which there is no space is made as soon as there is', async (t) => {
  const { time, cluster, client } = await threeCopies();
  const full = cluster.node(3);
  fill(full);
  await time.run(client.admin.createTopic({ name: 'later', partitions: 2, replicas: 3 }));
  const producer = client.producer({ topic: 'later' });
  for (const partition of [0, 1]) await time.run(producer.send({ partition, value: 'x' }));
  const of = (node: SimulatedNode) => [...node.service.partitions].filter(({ topic }) => topic === 'later');
  t.is(of(full).length, 0);
  full.disk.capacityBytes = Number.POSITIVE_INFINITY;
  await time.runUntil(() => of(full).length === 2 && of(full).every(({ log }) => log.highWatermark === 1n), 20_000);
  t.is(of(cluster.node(1)).find(({ leading }) => leading)?.leading?.committed.isr.length, 3);
});
