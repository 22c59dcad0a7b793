import { create } from '@bufbuild/protobuf';
import { nodeId, silentLogger, silentMeter } from '@moldau/kernel';
import { Keys, nodeConditionCodec } from '@moldau/metadata';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import {
  ControllerService,
  RegisterNodeRequestSchema,
  ReplicaState,
} from '@moldau/proto/moldau/internal/v1/controller_pb';
import { defaultLimits, MemoryNetwork } from '@moldau/rpc';
import test from 'ava';
import { World } from './world.ts';

test('a coordinator that stood still gives its nodes time, instead of fencing them all', async (t) => {
  const world = new World(t);
  const office = await world.started({ sessionTimeoutMs: 9_000 });
  const node = await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  await world.time.runFor(20_000);
  node.pause();
  await world.time.runFor(7_500);
  world.stall(60_000);
  await world.time.runFor(3_000);
  t.deepEqual(await office.leader('a'), { leader: 1, epoch: 1 }, 'what it said meanwhile was not read yet');
  node.resume();
  await world.time.runFor(20_000);
  t.deepEqual(await office.leader('a'), { leader: 1, epoch: 1 });
  node.pause();
  await world.time.runFor(10_000);
  t.is((await office.leader('a')).leader, undefined, 'it still fences those that are silent');
});

test('what a start of a node has reported holds for its later sessions', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  await world.time.runFor(10);
  node.pause();
  await world.time.runFor(10_000);
  t.is((await office.leader('a')).leader, undefined);
  node.join(office);
  await world.until(async () => (await office.leader('a')).leader === 1);
  t.is((await office.leader('a')).epoch, 2);
});

test('a fenced node that is ready without having reported everything is refused', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  const again = await world.node(office, 1);
  again.join(office, { silently: true });
  await world.time.runFor(2_000);
  t.regex(String(again.ending), /ready is said while 1 partitions are not reported/);
  t.is((await office.leader('a')).leader, undefined);
});

test('a report that no replica can have made ends the session, and decides nothing', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.activeNode(office, 1);
  world.listen('node-1:7071');
  const { topic } = await world.run(office.createTopic({ name: 'a' }));
  const good = {
    topicId: topic?.id ?? '',
    state: ReplicaState.CLEAN as ReplicaState,
    leaderEpoch: 1,
    lastEpoch: 1,
    durableEnd: 1n,
  };
  const wrong: Partial<typeof good>[] = [
    { leaderEpoch: 2 ** 32 - 1 },
    { lastEpoch: 2 ** 32 - 1 },
    { durableEnd: -1n },
    { state: 9 as ReplicaState },
  ];
  for (const bad of wrong) {
    const session = world.twin(node);
    session.join(office);
    await world.time.runFor(10);
    session.say({ reports: [{ ...good, ...bad }] });
    await world.time.runFor(10);
    t.regex(String(session.ending), /^INVALID_REQUEST: reports/);
  }
  world.twin(node).join(office);
  await world.time.runFor(10_000);
  t.deepEqual(await office.leader('a'), { leader: 1, epoch: 1 });
});

test('a second session of a node ends the first', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.activeNode(office, 1);
  const twin = world.twin(node);
  twin.join(office);
  await world.time.runFor(100);
  t.is((node.ending as Error).name, 'NOT_SERVING');
  t.is(twin.ending, undefined);
  await world.time.runFor(20_000);
  t.is((await office.describeCluster()).activeNodes, 1);
});

test('a node that is fenced loses its session, and comes back under the next epoch', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  const key = new Keys(office.coordinator.clusterId).nodeState(nodeId(1));
  const value = nodeConditionCodec.encode({ fenced: true, clean: false, draining: false }, 'by hand');
  await world.store.txn([], [{ kind: 'put', key, value }]);
  await world.time.runFor(3_000);
  t.regex(String(node.ending), /it was fenced/);
  t.is((await office.leader('a')).leader, undefined);
  node.join(office);
  await world.until(async () => (await office.leader('a')).leader === 1);
  t.is((await office.leader('a')).epoch, 2);
});

test('stopping waits for a write that is on its way, and nothing is written afterwards', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  world.store.faults.delayMs = 200;
  const creating = t.throwsAsync(office.createTopic({ name: 'a' }), { name: 'NOT_SERVING' });
  await world.time.runFor(50);
  await world.run(office.coordinator.stop());
  world.store.faults.delayMs = 0;
  const { revision } = await world.store.status();
  await world.run(creating);
  await world.time.runFor(60_000);
  t.is((await world.store.status()).revision, revision);
});

test('over a network: registration, session, metadata, and a client that leaves', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const ports = {
    clock: world.time,
    timers: world.time,
    random: world.random,
    logger: silentLogger,
    meter: silentMeter,
  };
  const network = new MemoryNetwork({ limits: defaultLimits, timers: world.time });
  const listening = network.listen('coordinator', office.coordinator.services(), ports);
  const channel = network.dialer('node-1').dial('coordinator', 'control');
  const registration = { version: 1, nodeId: 1, incarnation: 'i', address: 'node-1:7071' };
  const { nodeEpoch } = await world.run(channel.unary(ControllerService.method.registerNode, registration));
  const session = channel.session(ControllerService.method.nodeSession);
  session.send({ nodeId: 1, nodeEpoch, clusterId: office.coordinator.clusterId });
  const reader = session.incoming[Symbol.asyncIterator]();
  t.true((await world.run(reader.next())).value?.snapshot);
  session.send({ nodeId: 1, nodeEpoch, ready: true });
  await world.until(async () => (await office.describeCluster()).activeNodes === 1);
  const created = await world.run(channel.unary(ClusterService.method.createTopic, { name: 'a', partitions: 2 }));
  t.is(created.topic?.partitions.length, 2);
  for await (const message of channel.serverStream(ClusterService.method.watchMetadata, {})) {
    t.is(message.topics[0]?.name, 'a');
    break;
  }
  const stale = create(RegisterNodeRequestSchema, { ...registration, clusterId: 'other' });
  const error = await t.throwsAsync(world.run(channel.unary(ControllerService.method.registerNode, stale)));
  t.is(error?.name, 'WRONG_CLUSTER');
  session.cancel();
  await world.time.runFor(10_000);
  t.is((await office.getMetadata()).nodes?.[0]?.state, 2, 'silent, so fenced');
  t.is(network.openCalls, 0, 'nothing is left open');
  channel.close();
  listening.close();
});
