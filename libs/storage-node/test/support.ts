import { SimulatedCluster } from '@moldau/testing';

export { appendSession, batchOf, fetchSession } from '@moldau/testing';

/** A running simulated node with topic `t`, and a raw channel to it. */
export async function nodeWithTopic(partitions = 1, config: Record<string, string> = {}) {
  const cluster = new SimulatedCluster({ seed: 1 });
  await cluster.time.run(cluster.coordinator().start());
  await cluster.time.run(cluster.node().start());
  const { admin } = cluster.client('admin');
  const topic = await cluster.time.run(admin.createTopic({ name: 't', partitions, config }));
  await cluster.time.run(admin.listOffsets('t', 'end'));
  const channel = cluster.network.dialer('app').dial('node-1', 'data');
  return { cluster, channel, topicId: topic.id };
}
