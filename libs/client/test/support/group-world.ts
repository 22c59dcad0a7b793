import type { GroupConsumer, GroupConsumerOptions, GroupRecord, Moldau } from '@moldau/client';
import { SimulatedCluster, type SimulatedClusterOptions } from '@moldau/testing';

const partitions = 4;

/** A cluster with a topic `t` of four partitions and two group coordinators. */
export async function world(options: Partial<SimulatedClusterOptions> = {}) {
  const cluster = new SimulatedCluster({ seed: 8, nodes: 1, groupCoordinators: 2, ...options });
  const { time } = cluster;
  await time.run(cluster.start());
  const client = cluster.client('app');
  await time.run(client.admin.createTopic({ name: 't', partitions }));
  const served = (): number =>
    cluster.groupCoordinators.reduce((sum, one) => sum + (one.isRunning ? one.service.servedShards.length : 0), 0);
  await time.runUntil(() => served() === 16, 60_000);
  const write = async (count: number, from = 0): Promise<void> => {
    await using producer = client.producer({ topic: 't', linger: 0 });
    for (let i = from; i < from + count; i += 1)
      await producer.push({ key: `k${i % 7}`, value: `${i}`, partition: i % partitions });
  };
  return { cluster, time, client, served, write: (count: number, from?: number) => time.run(write(count, from)) };
}

/** A consumer whose loop notes what it is given, and how its partitions come and go. */
export class Reading {
  readonly consumer: GroupConsumer;
  readonly values: string[] = [];
  readonly events: string[] = [];
  readonly over: Promise<void>;
  failure: unknown;

  constructor(
    client: Moldau,
    options: Partial<GroupConsumerOptions<string, string>> = {},
    handle: (record: GroupRecord<string, string>) => unknown = () => {},
  ) {
    this.consumer = client.consumer({ group: 'g', topics: ['t'], from: 'start', ...options });
    for (const event of ['assigned', 'revoked', 'lost'] as const)
      this.consumer.on(event, ({ partitions: some }) => {
        this.events.push(
          `${event} ${some
            .map(({ partition }) => partition)
            .sort()
            .join()}`,
        );
      });
    this.over = this.#read(handle).catch((error: unknown) => {
      this.failure = error;
    });
  }

  get owned(): number[] {
    return this.consumer.assignment.map(({ partition }) => partition).sort();
  }

  async #read(handle: (record: GroupRecord<string, string>) => unknown): Promise<void> {
    for await (const record of this.consumer) {
      this.values.push(record.value ?? '');
      await handle(record);
    }
  }
}

export const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `${i + from}`);
export const sorted = (values: readonly string[]): string[] => [...values].sort((a, b) => Number(a) - Number(b));
