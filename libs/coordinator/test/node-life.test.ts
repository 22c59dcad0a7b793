import { partitionCodec } from '@moldau/metadata';
import { ReplicaState } from '@moldau/proto/moldau/internal/v1/controller_pb';
import test from 'ava';
import { FakeNode } from './fake-node.ts';
import { World } from './world.ts';

test('every start of a node leads under the next epoch', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const first = await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  for (let start = 1; start <= 3; start++) {
    const again = await world.activeNode(office, 1);
    t.true(again.epoch > first.epoch);
    await world.until(async () => (await office.leader('a')).leader === 1);
    t.is((await office.leader('a')).epoch, start + 1);
    await world.time.runFor(10);
    const [assignment] = again.assignments.values();
    t.is(assignment?.leaderNodeEpoch, again.epoch, 'the epoch belongs to this start');
  }
});

test('while a node starts it leads nothing, and its old start is told that it is over', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const old = await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  const young = await world.node(office, 1);
  t.is((await office.leader('a')).leader, undefined);
  await world.time.runFor(10);
  t.is((old.ending as Error).name, 'NOT_SERVING', 'it loses its session');
  old.join(office);
  await world.time.runFor(10);
  t.is(old.ending, 'ended');
  t.regex(old.fencedFor ?? '', /replaced by a newer one/);
  young.join(office);
  await world.until(async () => (await office.leader('a')).leader === 1);
  const stale = await t.throwsAsync(world.run(office.allocateProducerIds(1, old.epoch)), { name: 'STALE_NODE' });
  t.regex(stale?.message ?? '', /replaced by a newer one/);
});

test('a registration that is asked for again gives the same epoch', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.node(office, 1);
  const { epoch } = node;
  await world.run(node.register(office));
  t.is(node.epoch, epoch);
});

test('a registration whose answer was lost is settled', async (t) => {
  const world = new World(t);
  const office = await world.started();
  world.store.faults.loseReplies();
  const node = await world.node(office, 1);
  t.is((await office.listNodes()).nodes?.[0]?.epoch, node.epoch);
});

test('a silent node is fenced after the session timeout, and leads again when it comes back', async (t) => {
  const world = new World(t);
  const office = await world.started({ sessionTimeoutMs: 9_000 });
  const node = await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  await world.time.runFor(30_000);
  t.is((await office.leader('a')).leader, 1, 'heartbeats keep it');
  node.pause();
  await world.time.runFor(7_000);
  t.is((await office.leader('a')).leader, 1);
  await world.time.runFor(2_100);
  t.is((await office.leader('a')).leader, undefined);
  t.deepEqual((await office.describeCluster()).offlinePartitions, 1);
  t.is((node.ending as Error).name, 'NOT_SERVING', 'its session ended: it may come back');
  node.join(office);
  await world.until(async () => (await office.leader('a')).leader === 1);
  t.is((await office.leader('a')).epoch, 2);
});

test('a new coordinator gives every node that may be there a session timeout of grace', async (t) => {
  const world = new World(t);
  const there = world.listen('node-1:7071');
  const first = await world.started();
  const node = await world.activeNode(first, 1);
  await world.run(first.createTopic({ name: 'a' }));
  await world.run(first.coordinator.stop());
  node.die();
  const second = await world.started();
  await world.time.runFor(8_000);
  t.deepEqual(await second.leader('a'), { leader: 1, epoch: 1 });
  node.join(second);
  await world.time.runFor(20_000);
  t.deepEqual(await second.leader('a'), { leader: 1, epoch: 1 }, 'the same start goes on in the same epoch');
  node.pause();
  there.close();
  await world.time.runFor(10_000);
  t.is((await second.leader('a')).leader, undefined);
});

test('a node that died together with the coordinator is not waited for: its address refuses connections', async (t) => {
  const world = new World(t);
  const first = await world.started();
  const nodes = [await world.activeNode(first, 1), await world.activeNode(first, 2)];
  const { topic } = await world.run(first.createTopic({ name: 'a', replicas: 2 }));
  const dead = topic?.partitions?.[0]?.leader ?? 0;
  const other = dead === 1 ? 2 : 1;
  await world.run(first.coordinator.stop());
  nodes[dead - 1]?.die();
  world.listen(`node-${other}:7071`);
  const second = await world.started();
  nodes[other - 1]?.join(second);
  t.deepEqual(await second.leader('a'), { leader: dead, epoch: 1 });
  await world.time.runFor(1_500);
  t.deepEqual(await second.leader('a'), { leader: other, epoch: 2 });
});

test('a node that dies while its address still takes connections is found gone a moment later', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const nodes = [await world.activeNode(office, 1), await world.activeNode(office, 2)];
  const { topic } = await world.run(office.createTopic({ name: 'a', replicas: 2 }));
  const dead = topic?.partitions?.[0]?.leader ?? 0;
  const there = world.listen(`node-${dead}:7071`);
  nodes[dead - 1]?.die();
  await world.time.runFor(100);
  t.deepEqual(await office.leader('a'), { leader: dead, epoch: 1 }, 'it answers');
  there.close();
  await world.time.runFor(500);
  t.deepEqual(await office.leader('a'), { leader: 3 - dead, epoch: 2 });
});

test('an election that a crash left undone is done once the node has reported to the next coordinator', async (t) => {
  const world = new World(t);
  const first = await world.started();
  const node = await world.activeNode(first, 1);
  await world.run(first.createTopic({ name: 'a' }));
  await world.run(first.coordinator.stop());
  const entry = (await world.store.range('')).entries.find(({ key }) => key.includes('/partitions/'));
  const state = partitionCodec.decode('', entry?.value ?? '');
  const undone = { ...state, leader: undefined, isr: [], elr: state.replicas };
  await world.store.txn([], [{ kind: 'put', key: entry?.key ?? '', value: partitionCodec.encode(undone, 'n') }]);
  const second = await world.started();
  await world.time.runFor(1_000);
  t.is((await second.leader('a')).leader, undefined, 'nobody leads unheard');
  world.twin(node).join(second);
  await world.time.runFor(100);
  t.deepEqual(await second.leader('a'), { leader: 1, epoch: 2 });
});

test('a node that leaves is not asked again in that session', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  node.say({ leaving: true });
  await world.time.runFor(3_000);
  t.is((await office.leader('a')).leader, undefined);
});

test('a node whose storage failed leads nothing', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const [one] = [await world.activeNode(office, 1), await world.activeNode(office, 2)];
  await world.run(office.createTopic({ name: 'a', partitions: 2, replicas: 2 }));
  one.say({ storageFailed: true });
  await world.time.runFor(3_000);
  t.deepEqual([(await office.leader('a', 0)).leader, (await office.leader('a', 1)).leader], [2, 2]);
});

test('a corrupt replica that is the only copy leads all the same, and the loss is told', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  const { topic } = await world.run(office.createTopic({ name: 'a' }));
  const again = await world.node(office, 1);
  again.found.set(`${topic?.id}-0`, { state: ReplicaState.CORRUPT, durableEnd: 7n });
  again.join(office);
  await world.until(async () => (await office.leader('a')).leader === 1);
  const { findings } = await office.describeCluster();
  t.regex(findings?.[0]?.message ?? '', /1 partition \(a\/0\) lost acknowledged data/);
});

test('a replica whose copy is gone never leads by itself', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  const { topic } = await world.run(office.createTopic({ name: 'a' }));
  const again = await world.node(office, 1);
  again.found.set(`${topic?.id}-0`, { state: ReplicaState.CORRUPT, durableEnd: 0n });
  again.join(office);
  await world.time.runFor(30_000);
  t.is((await office.leader('a')).leader, undefined);
  t.regex((await office.describeCluster()).findings?.[0]?.message ?? '', /1 partition \(a\/0\) without a leader/);
});

test('a node of another cluster is refused', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.node(office, 1);
  await t.throwsAsync(world.run(node.register(office, 'other')), { name: 'WRONG_CLUSTER', message: /cluster other/ });
});

test('a node of another cluster that comes here with its session decides nothing about this one', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.activeNode(office, 1);
  const foreign = world.twin(node);
  foreign.clusterId = 'other';
  foreign.seen = 1_000n;
  foreign.join(office);
  await world.time.runFor(1_000);
  t.is((foreign.ending as Error).name, 'WRONG_CLUSTER');
  t.is(node.ending, undefined);
  t.false(office.coordinator.stopped.aborted, 'what it has seen was of another store');
  t.is((await office.describeCluster()).activeNodes, 1);
});

test('a coordinator whose store was restored to an older state decides nothing any more, and says what to do', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.node(office, 1);
  const registering = node.register(office, office.coordinator.clusterId, 1_000n);
  const error = await t.throwsAsync(world.run(registering), { name: 'NOT_SERVING' });
  t.regex(error?.message ?? '', /restored to an older state.*--bump-revision/);
  await world.time.runFor(1_000);
  t.true(office.coordinator.stopped.aborted);
  await t.throwsAsync(office.getMetadata(), { name: 'NOT_SERVING' });
  for (let restart = 1; restart <= 600; restart += 1) {
    const again = world.coordinator().coordinator;
    await t.throwsAsync(world.run(again.start()), { message: /marked as restored.*above 1000/ });
  }
  t.true(
    (await world.store.status()).revision > 1_000n,
    'the store has come so far only because it was asked so often',
  );
});

test('a node whose advertised address leads nowhere shows in the health', async (t) => {
  const world = new World(t);
  const office = await world.started();
  world.network.freeze('node-1:7071');
  await world.activeNode(office, 1);
  const found = async () => (await office.describeCluster()).findings?.map(({ message }) => message) ?? [];
  await world.until(async () => (await found()).length > 0, 15_000);
  t.regex((await found()).join(), /node 1 serves, but its advertised address node-1:7071 can't be reached/);
  world.network.thaw('node-1:7071');
  world.listen('node-1:7071');
  await world.time.runFor(10_000);
  t.deepEqual((await office.describeCluster()).findings, []);
});

test('a node that leaves, its address closed a moment before its session, is no finding', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.activeNode(office, 1);
  const found = async () => (await office.describeCluster()).findings?.map(({ message }) => message) ?? [];
  await world.time.runFor(5_500);
  t.deepEqual(await found(), [], 'it was looked for, and not found');
  node.say({ leaving: true });
  await world.time.runFor(10_000);
  t.deepEqual(await found(), ['1 node not serving: 1. Look at their logs, or start them']);
});

test('blocks of producer ids never meet, lost answers included', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.activeNode(office, 1);
  const firsts: bigint[] = [];
  for (let i = 0; i < 5; i++) {
    if (i % 2 === 1) world.store.faults.loseReplies();
    const { first, count } = await world.run(office.allocateProducerIds(1, node.epoch));
    t.is(count, 1_000);
    firsts.push(first ?? 0n);
  }
  const parallel = await world.run(
    Promise.all(Array.from({ length: 3 }, () => office.allocateProducerIds(1, node.epoch))),
  );
  firsts.push(...parallel.map(({ first }) => first ?? 0n));
  firsts.sort((a, b) => Number(a - b));
  for (let i = 1; i < firsts.length; i++) t.true((firsts[i] ?? 0n) - (firsts[i - 1] ?? 0n) >= 1_000n);
});

test('a node that keeps partitions is refused with a new data directory: its disk may not be mounted', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  const again = new FakeNode(world.time, 1, { incarnation: 'again' });
  await world.run(again.register(office, ''));
  t.true(again.epoch > 0n, 'without partitions nothing is at stake');
  await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  const empty = new FakeNode(world.time, 1, { incarnation: 'empty' });
  await t.throwsAsync(world.run(empty.register(office, '')), {
    message: /its data directory is new: mount the right one/,
  });
});
