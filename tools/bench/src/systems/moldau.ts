import {
  type ConsumeMode,
  type ConsumeReport,
  type EndToEndReport,
  fastProducer,
  type LoadReport,
  type ProduceLoad,
  sumWritten,
} from '@moldau/bench';
import { Cluster } from '@moldau/chaos-tool/cluster';
import type { Moldau } from '@moldau/client';
import { runClientScript } from '../client-process.ts';
import { sharesOf } from '../shares.ts';
import { warmUpSeconds } from '../warm-up.ts';
import type { ClientTask } from './moldau-client.ts';
import type { ClientsReport, LatencyReport, Load, PacedLoad, RunningSystem, System, TopicLayout } from './system.ts';

/** How a load differs from the usual one. */
export interface Variant {
  readonly producer?: ProduceLoad['producer'];
  readonly keys?: number;
  readonly mode?: ConsumeMode;
}

/** A topic of ours. */
export interface MoldauTopic extends TopicLayout {
  /** Acknowledged from memory, and synced every so often. Default: acknowledged when synced. */
  readonly flush?: 'interval';
}

const script = new URL('moldau-client.ts', import.meta.url);

/** Our own system: an etcd, two coordinators, storage nodes, each a process. */
export class RunningMoldau implements RunningSystem {
  readonly #cluster: Cluster;
  readonly #client: Moldau;

  constructor(cluster: Cluster, client: Moldau) {
    this.#cluster = cluster;
    this.#client = client;
  }

  /** Of the storage nodes. */
  get serverPids(): readonly number[] {
    return this.#cluster.nodes.map(({ pid }) => pid);
  }

  async createTopic({ name, partitions, replicas, flush }: MoldauTopic): Promise<void> {
    const config = flush === undefined ? {} : { config: { flush } };
    await this.#client.admin.createTopic({ name, partitions, replicas, ...config });
    // It is there when all of its partitions are led.
    await this.#client.admin.listOffsets(name, 'end');
  }

  async deleteTopic(name: string): Promise<void> {
    await this.#client.admin.deleteTopic(name);
  }

  async produce({ topic, records, valueBytes, clients }: Load, variant: Variant = {}): Promise<ClientsReport> {
    const producer = { ...fastProducer, ...variant.producer };
    const { keys } = variant;
    return merged(
      await Promise.all(
        sharesOf(records, clients).map(({ client, records: share }) =>
          this.#run<LoadReport>({
            kind: 'produce',
            load: { topic, records: share, valueBytes, writer: client, producer, keys },
          }),
        ),
      ),
    );
  }

  /** `writers`: how many clients have written it, or do so now. Several clients share its partitions among them. */
  async consume(
    { topic, records, valueBytes, clients }: Load,
    { mode = 'records' }: Variant = {},
    writers = 1,
  ): Promise<ClientsReport> {
    const parts = clients === 1 ? [{ records }] : await this.#parts(topic, clients);
    const reports = await Promise.all(
      parts.map((part) => this.#run<ConsumeReport>({ kind: 'consume', load: { topic, ...part, valueBytes, mode } })),
    );
    const written = sumWritten(sharesOf(records, writers).map((share) => share.records));
    const numbers = reports.reduce((sum, one) => sum + one.numbers, 0);
    const read = reports.reduce((sum, one) => sum + one.records, 0);
    if (read !== written.records || (mode !== 'raw' && numbers !== written.numbers))
      throw new Error(`not each of ${records} records was read once: ${read} were`);
    return merged(reports);
  }

  async endToEnd(load: PacedLoad): Promise<LatencyReport> {
    const { read } = await this.#run<EndToEndReport>({
      kind: 'end-to-end',
      load: {
        ...load,
        producer: { batchSize: fastProducer.batchSize, linger: 0 },
        warmUpSeconds: warmUpSeconds(load.seconds),
      },
    });
    return read;
  }

  /** Which partitions each of several readers has, and what is in them. */
  async #parts(topic: string, clients: number): Promise<{ partitions: number[]; records: number }[]> {
    const ends = await this.#client.admin.listOffsets(topic, 'end');
    return Array.from({ length: clients }, (_, client) => {
      const part = ends.filter((_, index) => index % clients === client);
      return {
        partitions: part.map(({ partition }) => partition),
        records: part.reduce((sum, { offset }) => sum + Number(offset ?? 0n), 0),
      };
    });
  }

  async stop(): Promise<void> {
    await this.#client.close();
    await this.#cluster.close();
  }

  #run<T>(task: DistributedOmit<ClientTask, 'endpoints'>): Promise<T> {
    const endpoints = this.#cluster.nodes.map(({ address }) => address);
    return runClientScript<T>(script, { endpoints, ...task });
  }
}

type DistributedOmit<T, K extends keyof T> = T extends unknown ? Omit<T, K> : never;

function merged(reports: readonly LoadReport[]): ClientsReport {
  const sum = (of: (one: LoadReport) => number): number => reports.reduce((total, one) => total + of(one), 0);
  const startedAtMs = Math.min(...reports.map((one) => one.startedAtMs));
  const endedAtMs = Math.max(...reports.map((one) => one.endedAtMs));
  return {
    seconds: (endedAtMs - startedAtMs) / 1000,
    records: sum((one) => one.records),
    cpuSeconds: sum((one) => one.cpuSeconds),
    peakMiB: sum((one) => one.peakMiB),
    gcSeconds: sum((one) => one.gcSeconds),
    loopDelayP99Ms: Math.max(...reports.map((one) => one.loopDelayP99Ms)),
  };
}

/** Starts it with its data below the temporary directory of the system. `isBuilt`: its nodes run what `npm run build` made. */
export async function startMoldau(nodes: number, isBuilt = false): Promise<RunningMoldau> {
  const cluster = await Cluster.start({ gateway: false, nodes, isBuilt });
  return new RunningMoldau(cluster, await cluster.clientOfNodes());
}

/** Moldau, as it is in this repository. */
export const moldau: System = {
  name: 'Moldau',
  nodes: [1, 3],
  async install() {
    const { batchSize, linger, buffer } = fastProducer;
    const settings = `each record synced before it is acknowledged; pushAll, batches of ${batchSize}, linger ${linger}, buffer ${buffer}; latency: linger 0`;
    return { version: 'this commit', settings, start: (_, nodes) => startMoldau(nodes) };
  },
};
