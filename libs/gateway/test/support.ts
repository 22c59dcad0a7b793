import type { Moldau } from '@moldau/client';
import { Gateway } from '@moldau/gateway';
import { type Meter, silentLogger, silentMeter } from '@moldau/kernel';
import {
  gatewayWindowBytes,
  NetworkWeather,
  SeededRandom,
  SimulatedCluster,
  type SimulatedClusterOptions,
} from '@moldau/testing';

/** Three nodes, a coordinator, and a gateway through which everything goes. */
export async function behindGateway(options: Partial<SimulatedClusterOptions> = {}) {
  const weather = new NetworkWeather(new SeededRandom(7), { min: 0, max: 0 });
  const cluster = new SimulatedCluster({
    seed: 5,
    nodes: 3,
    gateways: 1,
    conditions: weather.conditions,
    ...options,
  });
  const { time } = cluster;
  await time.run(cluster.start());
  const client = (name: string): Moldau => cluster.client(name, 30_000, time, ['gateway-1']);
  const channel = (name: string) => cluster.network.dialer(name).dial('gateway-1', 'data');
  return { cluster, time, weather, client, channel };
}

export type World = Awaited<ReturnType<typeof behindGateway>>;

/** A second gateway, at `gateway-2`, with memory and coordinators of its own choice. */
export async function secondGateway(
  { cluster, time }: World,
  {
    coordinators = ['coordinator-1'],
    appendBytes = 1_000_000,
    meter = silentMeter,
  }: { coordinators?: readonly string[]; appendBytes?: number; meter?: Meter },
): Promise<Gateway> {
  const ports = { clock: time, timers: time, random: cluster.random, logger: silentLogger, meter };
  const gateway = new Gateway(
    { ...ports, dialer: cluster.network.dialer('gateway-2') },
    { coordinators, appendBytes, fetchBytes: 1_000_000, windowBytes: gatewayWindowBytes },
  );
  cluster.network.listen('gateway-2', gateway.services(), ports);
  await time.run(gateway.start());
  return gateway;
}

/** A topic whose partitions are led by all nodes in turn, and who leads which. */
export async function createTopic({ time, client }: World, name = 't', partitions = 6) {
  const { admin } = client('admin');
  const { id } = await time.run(admin.createTopic({ name, partitions }));
  await time.run(admin.listOffsets(name, 'end'));
  const { topic } = await time.run(admin.describeTopic(name));
  const leaders = topic?.partitions.map(({ leader }) => leader ?? 0) ?? [];
  return {
    id,
    leaders,
    ledBy: (node: number) => leaders.flatMap((leader, partition) => (leader === node ? [partition] : [])),
  };
}

/** Reads a topic from its start to where it ends now: values by partition, in order. */
export async function readAll({ time, client }: World, topic = 't'): Promise<Map<number, string[]>> {
  const values = new Map<number, string[]>();
  const reading = async (): Promise<void> => {
    for await (const { partition, value } of client('reader').read(topic, { until: 'end' })) {
      values.set(partition, [...(values.get(partition) ?? []), value ?? '']);
    }
  };
  await time.run(reading());
  return values;
}
