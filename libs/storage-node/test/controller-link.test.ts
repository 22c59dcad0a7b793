import type { Conditions } from '@moldau/rpc';
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
