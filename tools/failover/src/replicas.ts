import { setTimeout as pause } from 'node:timers/promises';
import type { Moldau } from '@moldau/client';
import type { Partition } from '@moldau/proto/moldau/cluster/v1/metadata_pb';

const lookEveryMs = 20;
const patienceMs = 90_000;

/** Who leads the partitions of a topic and who is in sync, as the coordinator says it. */
export class Replicas {
  readonly #client: Moldau;
  readonly #topic: string;

  constructor(client: Moldau, topic: string) {
    this.#client = client;
    this.#topic = topic;
  }

  async partitions(): Promise<readonly Partition[]> {
    return (await this.#client.admin.describeTopic(this.#topic)).topic?.partitions ?? [];
  }

  /** The node that leads most partitions. */
  async leadsMost(): Promise<number> {
    return (await this.#byPartitionsLed()).at(-1) ?? 1;
  }

  /** The node that leads fewest. */
  async leadsFewest(): Promise<number> {
    return (await this.#byPartitionsLed())[0] ?? 1;
  }

  /** Resolves with the milliseconds that it took until that held of every partition. */
  async until(what: string, holds: (partition: Partition) => boolean): Promise<number> {
    const since = performance.now();
    for (;;) {
      // While there is no coordinator nobody can tell: that is no answer yet.
      const all = await this.partitions().catch(() => []);
      const tookMs = Math.round(performance.now() - since);
      if (all.length > 0 && all.every(holds)) return tookMs;
      if (tookMs > patienceMs) throw new Error(`${what}: not after ${patienceMs} ms: ${described(all)}`);
      await pause(lookEveryMs);
    }
  }

  /** Until every copy is in sync. */
  untilWhole(): Promise<number> {
    return this.until('all copies in sync', ({ inSync, replicas }) => inSync.length === replicas.length);
  }

  /** Until that node is in sync nowhere. */
  untilWithout(node: number): Promise<number> {
    return this.until(`in sync without node ${node}`, ({ inSync }) => !inSync.includes(node));
  }

  /** Until somebody else leads whatever that node led. */
  untilLedByOthers(node: number): Promise<number> {
    return this.until(
      `led by others than ${node}`,
      ({ leader }) => leader !== undefined && leader !== 0 && leader !== node,
    );
  }

  async #byPartitionsLed(): Promise<number[]> {
    const all = await this.partitions();
    const led = (node: number): number => all.filter(({ leader }) => leader === node).length;
    return [1, 2, 3].sort((a, b) => led(a) - led(b));
  }
}

const described = (partitions: readonly Partition[]): string =>
  partitions
    .map(({ index, leader, inSync, leaderEpoch }) => `${index}: ${leader} leads (${leaderEpoch}), ${inSync} in sync`)
    .join('; ');
