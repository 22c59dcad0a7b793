import test from 'ava';
import { World } from './world.ts';

test('a node registers, a topic is created, a leader is there, and metadata says so', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.activeNode(office, 1);
  const created = await world.run(office.createTopic({ name: 'orders', partitions: 3 }));
  t.is(created.topic?.partitions?.length, 3);
  const metadata = await office.getMetadata({ topics: ['orders', 'unknown'] });
  t.is(metadata.clusterId, office.coordinator.clusterId);
  t.deepEqual(
    metadata.topics?.map(({ name, id }) => [name, id]),
    [['orders', created.topic?.id]],
  );
  t.deepEqual(
    metadata.topics?.[0]?.partitions?.map(({ leader, leaderEpoch, inSync }) => ({ leader, leaderEpoch, inSync })),
    Array.from({ length: 3 }, () => ({ leader: 1, leaderEpoch: 1, inSync: [1] })),
  );
  t.deepEqual(
    metadata.nodes?.map(({ id, address, epoch, state }) => ({ id, address, epoch, state })),
    [{ id: 1, address: 'node-1:7071', epoch: node.epoch, state: 1 }],
  );
  await world.time.runFor(10);
  t.is(node.assignments.size, 3);
  const assigned = [...node.assignments.values()][0];
  t.is(assigned?.leaderNodeEpoch, node.epoch);
  t.is(assigned?.config?.flush, 'fsync');
});
