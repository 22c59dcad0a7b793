import { nodeId, silentLogger, silentMeter } from '@moldau/kernel';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';
import { GroupNode } from '../src/index.ts';
import { Member } from './support/member.ts';

/** Two group coordinators that share the shards, and a member of a group that goes to whichever has it. */
async function sharing() {
  const cluster = new SimulatedCluster({ seed: 7, nodes: 3, defaultReplicas: 3, groupCoordinators: 2 });
  const { time, network } = cluster;
  await time.run(cluster.start());
  await time.run(cluster.client('app').admin.createTopic({ name: 't', partitions: 4, replicas: 3 }));
  const served = (n: number): number[] =>
    cluster.groupCoordinator(n).isRunning ? cluster.groupCoordinator(n).service.servedShards : [];
  await time.runUntil(() => served(1).length === 8 && served(2).length === 8, 60_000);
  const member = new Member('a', { group: 'g', topics: ['t'] });
  let turn = 0;
  /** Until the member was told on its newest stream what is its own, which is all. */
  const settle = () =>
    time.runUntil(() => {
      member.work();
      if (member.stream === undefined || member.stream.isOver) {
        turn += 1;
        const { address } = cluster.groupCoordinator(1 + (turn % 2));
        member.open(network.dialer('member').dial(address, 'data'));
      }
      return (member.stream?.of('assignment').length ?? 0) > 0 && member.owned.size === 4;
    }, 60_000);
  return { cluster, time, served, member, settle };
}

test('two share the shards; when one dies the other has all, and groups go on with no rebalance', async (t) => {
  const { cluster, time, served, member, settle } = await sharing();
  t.is(new Set([...served(1), ...served(2)]).size, 16);
  await settle();
  const { epoch } = member;
  for (const [dying, left] of [
    [2, 1],
    [1, 2],
  ] as const) {
    cluster.groupCoordinator(dying).kill();
    await time.runUntil(() => served(left).length === 16, 60_000);
    await settle();
    t.is(member.epoch, epoch, 'with no rebalance');
    await time.run(cluster.groupCoordinator(dying).start());
    await time.runUntil(() => served(1).length === 8 && served(2).length === 8, 60_000);
    await settle();
  }
});

test('one that ends in order hands its shards over before: the other has all of them when it is gone', async (t) => {
  const { cluster, time, served, member, settle } = await sharing();
  await settle();
  const { epoch } = member;
  for (const [leaving, left] of [
    [2, 1],
    [1, 2],
  ] as const) {
    const atMs = time.monotonicMs();
    await time.run(cluster.groupCoordinator(leaving).stop());
    t.true(time.monotonicMs() - atMs < 2_000, 'it has not waited in vain');
    await time.runUntil(() => served(left).length === 16, 1_000);
    await settle();
    t.is(member.epoch, epoch, 'with no rebalance');
    await time.run(cluster.groupCoordinator(leaving).start());
    await time.runUntil(() => served(1).length === 8 && served(2).length === 8, 60_000);
    await settle();
  }
});

test('one that is alone ends at once: there is nobody to hand over to', async (t) => {
  const { cluster, time, served, settle, member } = await sharing();
  await settle();
  const { epoch } = member;
  cluster.groupCoordinator(2).kill();
  await time.runUntil(() => served(1).length === 16, 60_000);
  const atMs = time.monotonicMs();
  await time.run(cluster.groupCoordinator(1).stop());
  t.true(time.monotonicMs() - atMs < 1_000);
  await time.run(cluster.groupCoordinator(1).start());
  await time.runUntil(() => served(1).length === 16, 60_000);
  await settle();
  t.is(member.epoch, epoch, 'with no rebalance');
});

test('one that has the number of a storage node does not start, and says why', async (t) => {
  const { cluster, time } = await sharing();
  const { random, network } = cluster;
  const world = { clock: time, timers: time, random, logger: silentLogger, meter: silentMeter };
  const node = new GroupNode(
    { ...world, dialer: network.dialer('other') },
    { nodeId: nodeId(1), coordinators: ['coordinator-1'], rack: '', version: 'test' },
  );
  const error = await t.throwsAsync(time.run(node.start('other')), { name: 'WRONG_CLUSTER' });
  t.regex(error?.message ?? '', /a node id of its own/);
  t.false(node.isServing);
  await time.run(node.stop());
});
