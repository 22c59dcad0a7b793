import { groupId, shardOf } from '@moldau/groups';
import { silentLogger } from '@moldau/kernel';
import { ClusterView, Connections } from '@moldau/routing';
import { PartitionShardLog } from '@moldau/shards';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';
import { Member } from './support/member.ts';

/** One group coordinator that has all shards, and somebody who knows the cluster. */
async function started() {
  const cluster = new SimulatedCluster({ seed: 6, nodes: 3, defaultReplicas: 3, groupCoordinators: 1 });
  const { time, random, network } = cluster;
  await time.run(cluster.start());
  await time.run(cluster.client('app').admin.createTopic({ name: 't', partitions: 4, replicas: 3 }));
  const connections = new Connections(network.dialer('thief'));
  const ports = { clock: time, timers: time, random, logger: silentLogger, connections };
  const coordinators = cluster.coordinators.map(({ address }) => address);
  const view = new ClusterView(coordinators, ports);
  view.start();
  const one = cluster.groupCoordinator();
  await time.runUntil(() => one.service.servedShards.length === 16, 60_000);
  await time.runUntil(() => view.isKnown, 60_000);
  /** The start of the group coordinator, and under which epochs it has its shards. */
  const known = () => {
    const { epoch = 0n, groupShards = [] } = view.node(one.id) ?? {};
    return { epoch, shards: new Map(groupShards.map(({ index, epoch }) => [index, epoch])) };
  };
  /** Somebody with a higher token than the owner has. */
  const fence = async (shard: number): Promise<void> => {
    const fencingToken = (known().shards.get(shard) ?? 0n) + 1n;
    const log = new PartitionShardLog({ topic: '__groups', partition: shard, fencingToken }, { ...ports, view });
    await log.open();
    log.close();
  };
  return { cluster, time, network, one, known, fence };
}

test('a process that starts again has its shards under new epochs', async (t) => {
  const { time, one, known } = await started();
  const before = known();
  one.kill();
  await time.run(one.start());
  await time.runUntil(() => one.service.servedShards.length === 16, 60_000);
  t.true(known().epoch > before.epoch);
  t.is(known().shards.size, 16);
  for (const [shard, epoch] of known().shards) t.true(epoch > (before.shards.get(shard) ?? 0n));
  const { service } = one;
  const ended = await time.run(Promise.race([service.failed.catch((error: unknown) => error), service.stop()]));
  t.is(ended, undefined);
});

test('a shard that is lost by a failure heals: it is given out anew, and its group goes on', async (t) => {
  const { time, network, one, known, fence } = await started();
  const member = new Member('a', { group: 'g', topics: ['t'] });
  const settled = () =>
    time.runUntil(() => {
      member.work();
      if (member.stream === undefined || member.stream.isOver)
        member.open(network.dialer('member').dial(one.address, 'data'));
      return (member.stream?.of('assignment').length ?? 0) > 0;
    }, 60_000);
  await settled();
  const { epoch } = member;
  const shard = shardOf(groupId('g'), 16);
  const epochOf = () => known().shards.get(shard) ?? 0n;
  const before = epochOf();
  await time.run(fence(shard));
  t.deepEqual(one.service.lostShards, [], 'the owner has not tried to write yet');
  // A ping is answered once it is sure that nobody else has the shard.
  member.say({ case: 'ping', value: { number: 1n } });
  await time.runUntil(() => one.service.lostShards.length > 0, 5_000);
  t.deepEqual(one.service.lostShards, [{ shard, epoch: before }]);
  await time.runUntil(() => one.service.servedShards.length === 16, 10_000);
  t.true(epochOf() > before);
  t.deepEqual(one.service.lostShards, []);
  await settled();
  t.is(member.epoch, epoch, 'with no rebalance');
});
