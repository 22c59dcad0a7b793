import { silentLogger, silentMeter } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { type CallContext, type Channel, type Handlers, serve } from '@moldau/rpc';
import { SimulatedCluster, type SimulatedClusterOptions } from '@moldau/testing';

export { appendSession, batchOf, fetchSession } from '@moldau/testing';

/** A running simulated node with topic `t`, and a raw channel to it. */
export async function nodeWithTopic(
  partitions = 1,
  config: Record<string, string> = {},
  options: Partial<SimulatedClusterOptions> = {},
) {
  const cluster = new SimulatedCluster({ seed: 1, ...options });
  await cluster.time.run(cluster.coordinator().start());
  await cluster.time.run(cluster.node().start());
  const { admin } = cluster.client('admin');
  const topic = await cluster.time.run(admin.createTopic({ name: 't', partitions, config }));
  await cluster.time.run(admin.listOffsets('t', 'end'));
  const channel = cluster.network.dialer('app').dial('node-1', 'data');
  return { cluster, channel, topicId: topic.id };
}

/** Another way to the node, on which it is seen what the node says that it keeps for a call. */
export function watchedNode(cluster: SimulatedCluster): { channel: Channel; kept: number[] } {
  const { time, random, network } = cluster;
  const kept: number[] = [];
  const handlers = cluster.node().service.services()[0]?.handlers as Required<Handlers<typeof LogService>>;
  const watched = (context: CallContext): CallContext => ({
    ...context,
    keeps: (bytes) => {
      kept.push(bytes);
      context.keeps(bytes);
    },
  });
  const service = serve(LogService, {
    read: (request, context) => handlers.read(request, watched(context)),
    fetchSession: (session, context) => handlers.fetchSession(session, watched(context)),
    appendSession: (session, context) => handlers.appendSession(session, watched(context)),
  });
  network.listen('watched', [service], { clock: time, timers: time, random, logger: silentLogger, meter: silentMeter });
  return { channel: network.dialer('app').dial('watched', 'data'), kept };
}
