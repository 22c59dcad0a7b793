import type { Counter, Meter } from '@moldau/kernel';
import { SimulatedCluster, type SimulatedClusterOptions, type SimulatedNode } from '@moldau/testing';

/** Three nodes, and a topic `t` of one partition with a copy on each. */
export async function threeCopies(config: Record<string, string> = {}, options: Partial<SimulatedClusterOptions> = {}) {
  const cluster = new SimulatedCluster({ seed: 4, nodes: 3, ...options });
  const { time } = cluster;
  await time.run(cluster.start());
  const client = cluster.client('app', 60_000, time);
  const topic = await time.run(client.admin.createTopic({ name: 't', partitions: 1, replicas: 3, config }));
  const producer = client.producer({ topic: 't', linger: 0 });
  const send = (value: string) => time.run(producer.send({ partition: 0, value }));
  const partitionOn = ({ service }: SimulatedNode) => {
    const [found] = service.partitions;
    if (found === undefined) throw new Error('the partition is not there');
    return found;
  };
  const running = () => cluster.nodes.filter(({ isRunning }) => isRunning);
  const leader = () => {
    const found = running().find((node) => partitionOn(node).role.kind === 'leader');
    if (found === undefined) throw new Error('nobody leads');
    return found;
  };
  const followers = () => running().filter((node) => partitionOn(node).role.kind !== 'leader');
  /** All that run are in sync, and have the same. */
  const converged = (withinMs = 60_000) =>
    time.runUntil(() => {
      const all = running().map(partitionOn);
      const same = new Set(all.map(({ log }) => `${log.durableEnd} ${log.highWatermark} ${log.isCorrupt}`)).size === 1;
      return same && all.some(({ leading }) => leading?.committed.isr.length === all.length);
    }, withinMs);
  return { cluster, time, client, topic, send, partitionOn, leader, followers, converged };
}

export type ThreeCopies = Awaited<ReturnType<typeof threeCopies>>;

/** Adds up what is counted and keeps what is measured, by name and labels. */
export class CollectingMeter implements Meter {
  readonly values = new Map<string, number>();

  counter(name: string, _help: string, labels: Readonly<Record<string, string>> = {}): Counter {
    const key = [name, ...Object.values(labels)].join(' ');
    return { add: (amount = 1) => void this.values.set(key, this.of(key) + amount) };
  }

  gauge(name: string, _help: string, labels: Readonly<Record<string, string>> = {}) {
    const key = [name, ...Object.values(labels)].join(' ');
    return { set: (value: number) => void this.values.set(key, value), drop: () => void this.values.delete(key) };
  }

  histogram() {
    return { observe() {} };
  }

  of(key: string): number {
    return this.values.get(key) ?? 0;
  }
}
