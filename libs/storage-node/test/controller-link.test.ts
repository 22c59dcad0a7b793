import { offset, silentLogger, silentMeter } from '@moldau/kernel';
import { ControllerService } from '@moldau/proto/moldau/internal/v1/controller_pb';
import { type Conditions, serve } from '@moldau/rpc';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';

test('a coordinator that falls silent is given up, though its stream looks alive', async (t) => {
  let isMute = false;
  const conditions: Conditions = (from) => (isMute && from === 'coordinator-1' ? 'hold' : { delayMs: 0 });
  const cluster = new SimulatedCluster({ seed: 1, conditions });
  const { time } = cluster;
  await time.run(cluster.coordinator().start());
  await time.run(cluster.node().start());
  // The farewell of the old process is held, and never comes: its stream stays half open.
  isMute = true;
  cluster.coordinator().kill();
  isMute = false;
  await time.run(cluster.coordinator().start());
  const client = cluster.client('app');
  const before = time.monotonicMs();
  await time.run(client.admin.createTopic({ name: 't' }));
  await time.run(client.producer({ topic: 't' }).send({ value: 'v' }));
  t.true(time.monotonicMs() - before < 7_000, `a new topic had no leader for ${time.monotonicMs() - before} ms`);
});

test('a node that stops waits until its good-bye was heard, and no longer than a second', async (t) => {
  let isMute = false;
  const conditions: Conditions = (from) => (isMute && from === 'coordinator-1' ? 'hold' : { delayMs: 1 });
  const cluster = new SimulatedCluster({ seed: 1, nodes: 2, conditions });
  const { time } = cluster;
  await time.run(cluster.start());
  const took = async (node: number): Promise<number> => {
    const before = time.monotonicMs();
    await time.run(cluster.node(node).stop());
    return time.monotonicMs() - before;
  };
  const heard = await took(1);
  t.true(heard < 500, `${heard} ms`);
  isMute = true;
  const unheard = await took(2);
  t.true(unheard >= 1_000 && unheard < 1_500, `${unheard} ms`);
});

test('a node that has seen newer metadata takes none of a store that was restored, and goes on serving', async (t) => {
  const cluster = new SimulatedCluster({ seed: 1, coordinators: 2 });
  const { time } = cluster;
  await time.run(cluster.start());
  const client = cluster.client('app');
  const topic = await time.run(client.admin.createTopic({ name: 't' }));
  const producer = client.producer({ topic: 't' });
  await time.run(producer.send({ value: 'before' }));
  for (const coordinator of cluster.coordinators) coordinator.kill();
  const older = serve(ControllerService, {
    nodeSession: async (session) => {
      session.send({ version: 1n, snapshot: true, tombstones: [topic.id] });
      for await (const _ of session.incoming);
    },
  });
  const world = { clock: time, timers: time, random: cluster.random, logger: silentLogger, meter: silentMeter };
  for (const { address } of cluster.coordinators) cluster.network.listen(address, [older], world);
  await time.runFor(10_000);
  t.is((await time.run(producer.send({ value: 'after' }))).offset, offset(1n));
});
