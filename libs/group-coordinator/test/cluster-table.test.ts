import { groupId, shardOf } from '@moldau/groups';
import { nodeId, silentLogger, silentMeter } from '@moldau/kernel';
import { Connections } from '@moldau/routing';
import { PartitionShardLog } from '@moldau/shards';
import { SimulatedCluster, SimulatedProcess } from '@moldau/testing';
import test from 'ava';
import { GroupCoordinator, NodeLink, ViewShardTable } from '../src/index.ts';
import { Member } from './support/member.ts';

async function started() {
  const cluster = new SimulatedCluster({ seed: 6, nodes: 3, defaultReplicas: 3 });
  const { time, random, network } = cluster;
  await time.run(cluster.start());
  await time.run(cluster.client('app').admin.createTopic({ name: 't', partitions: 4, replicas: 3 }));
  const coordinators = cluster.coordinators.map(({ address }) => address);
  let starts = 0;
  const begin = async (id: number) => {
    starts += 1;
    const address = `groups-${id}`;
    const process = new SimulatedProcess(time);
    const world = { clock: time, timers: process.timers, random, logger: silentLogger, meter: silentMeter };
    const dialer = network.dialer(address);
    const who = { nodeId: nodeId(id), incarnation: `start-${starts}`, address, rack: '', programVersion: 'test' };
    const link = new NodeLink(coordinators, who, { ...world, dialer }, () => service.lostShards);
    const service = new GroupCoordinator(
      { ...world, dialer, table: (view) => new ViewShardTable(view, nodeId(id), () => link.epoch) },
      { nodeId: nodeId(id), coordinators, topic: '__groups', shards: 16 },
    );
    network.listen(address, service.services(), world);
    await time.run(service.start());
    const ended = link.run().catch((error: unknown) => error);
    const kill = (): void => {
      process.kill();
      network.crash(address);
    };
    /** Somebody with a higher token than the owner has. */
    const fence = async (shard: number): Promise<void> => {
      const epoch = service.view.node(id)?.groupShards.find(({ index }) => index === shard)?.epoch ?? 0n;
      const routing = { ...world, view: service.view, connections: new Connections(network.dialer('thief')) };
      const log = new PartitionShardLog({ topic: '__groups', partition: shard, fencingToken: epoch + 1n }, routing);
      await log.open();
      log.close();
    };
    return { service, link, address, kill, ended, fence };
  };
  return { cluster, time, network, begin };
}

test('a process that starts again has its shards under new epochs', async (t) => {
  const { time, begin } = await started();
  const one = await begin(31);
  await time.runUntil(() => one.service.servedShards.length === 16, 60_000);
  one.kill();
  const again = await begin(31);
  await time.runUntil(() => again.service.servedShards.length === 16, 60_000);
  t.true((again.link.epoch ?? 0n) > (one.link.epoch ?? 0n));
  again.link.stop();
  t.is(await time.run(again.ended), undefined);
});

test('a shard that is lost by a failure heals: it is given out anew, and its group goes on', async (t) => {
  const { time, network, begin } = await started();
  const one = await begin(31);
  await time.runUntil(() => one.service.servedShards.length === 16, 60_000);
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
  const epochOf = () => one.service.view.node(31)?.groupShards.find(({ index }) => index === shard)?.epoch ?? 0n;
  const before = epochOf();
  await time.run(one.fence(shard));
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
