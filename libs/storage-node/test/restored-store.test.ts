import { noteCodec } from '@moldau/metadata';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';

test('a node outlives a coordinator whose store was restored, and goes on serving', async (t) => {
  const cluster = new SimulatedCluster({ seed: 1 });
  const { time, store } = cluster;
  await time.run(cluster.start());
  const client = cluster.client('app');
  await time.run(client.admin.createTopic({ name: 't' }));
  const producer = client.producer({ topic: 't' });
  await time.run(producer.send({ value: 'before' }));
  const prefix = `/moldau/${cluster.coordinator().service.clusterId}/`;
  const value = noteCodec.encode('1000', 'n');
  await store.txn([], [{ kind: 'put', key: `${prefix}restored`, value }]);
  cluster.coordinator().kill();
  await time.run(cluster.coordinator().start());
  await time.runFor(30_000);
  t.false(cluster.coordinator().isRunning, 'it has taken office, found the mark, and ended');
  t.is(cluster.node().service.stage, 'serving');
  t.is(Number((await time.run(producer.send({ value: 'after' }))).offset), 1);
});
