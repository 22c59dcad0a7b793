import type { SimulatedNode } from '@moldau/testing';
import test from 'ava';
import { threeCopies } from './three-copies.ts';

/** Not a byte is left, by default: not even the checkpoint can be written. */
const fill = ({ disk }: SimulatedNode, freeBytes = 0): void => {
  disk.capacityBytes = 1e12;
  disk.capacityBytes = 1e12 - disk.freeBytes + freeBytes;
};

test('a node whose disk is full to the last byte is kept, and is led by others as long as that lasts', async (t) => {
  const { time, send, leader, client, partitionOn, converged } = await threeCopies();
  await send('before');
  const full = leader();
  fill(full);
  await time.runUntil(() => leader() !== full, 10_000);
  const epoch = (): number => partitionOn(leader()).leading?.epoch ?? 0;
  const before = epoch();
  for (let round = 1; round <= 8; round += 1) {
    const began = time.monotonicMs();
    await send(`round ${round}`);
    // It can't say that it follows, so it is waited for as long as anybody who is silent: `replica.lag.max`.
    const maxMs = round === 1 ? 11_000 : 5_000;
    t.true(time.monotonicMs() - began < maxMs, `round ${round} took ${time.monotonicMs() - began} ms`);
    await time.runFor(10_000);
    t.is((await time.run(client.admin.describeCluster())).activeNodes, 3);
  }
  t.is(epoch(), before, 'what it can not lead is not given back to it');
  const health = async () =>
    (await time.run(client.admin.describeCluster())).findings.map(({ message }) => message).join();
  t.regex(await health(), new RegExp(`the disk of node ${full.id} is full`));
  full.disk.capacityBytes = Number.POSITIVE_INFINITY;
  await converged();
  await time.runFor(60_000);
  t.is(leader(), full, 'it is preferred');
  t.notRegex(await health(), /is full/);
});

test('a node that can not keep its new epoch for want of space declines it, and leads when there is space', async (t) => {
  const { time, send, followers, leader, cluster, partitionOn } = await threeCopies({ 'min.insync.replicas': '1' });
  await send('before');
  const [full] = followers();
  if (full === undefined) return t.fail();
  fill(full);
  for (const node of cluster.nodes) if (node !== full) node.kill('kill');
  await time.runFor(20_000);
  t.is(partitionOn(full).role.kind, 'follower');
  t.true(partitionOn(full).log.storedEpoch > 1, 'it was asked');
  full.disk.capacityBytes = Number.POSITIVE_INFINITY;
  await time.runUntil(() => partitionOn(full).role.kind === 'leader', 5_000);
  t.is(leader(), full);
  await send('behind');
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
