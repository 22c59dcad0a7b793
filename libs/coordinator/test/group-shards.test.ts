import { NodeRole } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import test, { type ExecutionContext } from 'ava';
import type { FakeNode } from './fake-node.ts';
import { type Office, World } from './world.ts';

const groups = '__groups';

/** Who owns which shard under which epoch, as everybody is told. */
async function shardsOf(office: Office) {
  const { nodes = [] } = await office.getMetadata();
  return nodes
    .flatMap(({ id, groupShards = [] }) => groupShards.map(({ index = 0, epoch = 0n }) => ({ index, node: id, epoch })))
    .sort((a, b) => a.index - b.index);
}

const owned = async (office: Office, node: FakeNode) =>
  (await shardsOf(office)).filter((shard) => shard.node === node.id);

async function begun(t: ExecutionContext, config = {}) {
  const world = new World(t);
  const office = await world.started(config);
  const coordinator = (id: number) => world.activeNode(office, id, { role: NodeRole.GROUP_COORDINATOR });
  const settled = (count: number, nodes: readonly FakeNode[]) =>
    world.until(async () => {
      const counts = await Promise.all(nodes.map(async (node) => (await owned(office, node)).length));
      return counts.reduce((a, b) => a + b, 0) === count && Math.max(...counts) - Math.min(...counts) <= 1;
    });
  return { world, office, coordinator, settled };
}

test('the shards go to the group coordinators that live, and everybody is told', async (t) => {
  const { world, office, coordinator, settled } = await begun(t);
  await world.activeNode(office, 1);
  await world.time.runFor(10_000);
  t.deepEqual(await shardsOf(office), [], 'a storage node owns none');
  const eleven = await coordinator(11);
  await settled(16, [eleven]);
  const first = await shardsOf(office);
  t.deepEqual(
    first.map(({ index }) => index),
    Array.from({ length: 16 }, (_, i) => i),
  );
  const twelve = await coordinator(12);
  await settled(16, [eleven, twelve]);
  const second = await shardsOf(office);
  for (const [i, shard] of second.entries()) {
    const before = first[i];
    // Under a new epoch where it has moved, and untouched where it has not.
    if (shard.node === eleven.id) t.deepEqual(shard, before);
    else t.true(shard.epoch > (before?.epoch ?? 0n));
  }
});

test('the shards of one that dies go on to the other; a restart gets new epochs', async (t) => {
  const { world, office, coordinator, settled } = await begun(t);
  const [eleven, twelve] = [await coordinator(11), await coordinator(12)];
  await settled(16, [eleven, twelve]);
  twelve.die();
  await settled(16, [eleven]);
  const before = await shardsOf(office);
  eleven.die();
  await world.time.runFor(20_000);
  t.deepEqual(await shardsOf(office), before, 'there is nobody to take them');
  const back = await coordinator(11);
  await world.until(async () => (await shardsOf(office)).every(({ epoch }, i) => epoch > (before[i]?.epoch ?? 0n)));
  t.is((await owned(office, back)).length, 16);
});

test('a shard that its owner has lost has a new epoch after a pause, and no other shard moves', async (t) => {
  const { world, office, coordinator, settled } = await begun(t);
  const [eleven, twelve] = [await coordinator(11), await coordinator(12)];
  await settled(16, [eleven, twelve]);
  const before = await shardsOf(office);
  const mine = (await owned(office, eleven))[0];
  const theirs = (await owned(office, twelve))[0];
  if (mine === undefined || theirs === undefined) return t.fail();
  const stale = { index: mine.index, epoch: mine.epoch - 1n };
  eleven.say({ lostShards: [stale, { index: theirs.index, epoch: theirs.epoch }, { index: 99, epoch: 1n }] });
  await world.time.runFor(10_000);
  t.deepEqual(await shardsOf(office), before, 'it had none of these');
  for (const [loss, pauseMs] of [1_000, 2_000, 4_000].entries()) {
    const had = (await shardsOf(office))[mine.index];
    if (had?.node !== eleven.id) return t.fail(`nobody else has room, ${loss}`);
    eleven.say({ lostShards: [had] });
    await world.time.runFor(pauseMs - 100);
    eleven.say({ lostShards: [had] });
    t.deepEqual((await shardsOf(office))[mine.index], had, 'it waits');
    await world.time.runFor(600);
    t.true(((await shardsOf(office))[mine.index]?.epoch ?? 0n) > had.epoch);
  }
  const others = (all: typeof before) => all.filter(({ index }) => index !== mine.index);
  t.deepEqual(others(await shardsOf(office)), others(before));
});

test('another coordinator finds the shards where they are', async (t) => {
  const { world, office, coordinator, settled } = await begun(t);
  const eleven = await coordinator(11);
  await settled(16, [eleven]);
  const before = await shardsOf(office);
  await world.run(office.coordinator.stop());
  const next = await world.started();
  eleven.join(next);
  await world.time.runFor(30_000);
  t.deepEqual(await shardsOf(next), before);
});

test('the topic of the groups waits for the nodes that keep its copies, and only those get any', async (t) => {
  const { world, office, coordinator } = await begun(t, { defaultReplicas: 5 });
  await world.activeNode(office, 1);
  await world.activeNode(office, 2);
  await coordinator(11);
  await world.time.runFor(20_000);
  t.deepEqual((await office.listTopics({ includeInternal: true })).topics, []);
  await world.activeNode(office, 3);
  await world.until(async () => (await office.listTopics({ includeInternal: true })).topics?.length === 1);
  t.deepEqual((await office.listTopics()).topics, [], 'it is not shown to users');
  const { topic, config } = await office.describeTopic(groups);
  t.is(topic?.partitions?.length, 16);
  t.true(topic?.internal);
  for (const { replicas = [] } of topic?.partitions ?? []) t.deepEqual([...replicas].sort(), [1, 2, 3]);
  t.is(config?.find(({ key }) => key === 'cleanup')?.value, 'compact');
});

test('nobody but the system makes, changes or deletes a topic of the system', async (t) => {
  const { world, office, coordinator } = await begun(t);
  await t.throwsAsync(world.run(office.createTopic({ name: groups })), { message: /belong to the system/ });
  await world.activeNode(office, 1);
  await coordinator(11);
  await world.until(async () => (await office.listTopics({ includeInternal: true })).topics?.length === 1);
  await t.throwsAsync(world.run(office.deleteTopic({ name: groups })), { message: /belongs to the system/ });
  await t.throwsAsync(world.run(office.updateTopic({ name: groups, partitions: 20 })), {
    message: /belongs to the system/,
  });
});
