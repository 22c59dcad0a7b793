import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NumberedValues } from '@moldau/bench';
import { type ClientRun, runClient } from '../../client-process.ts';
import { type Share, sharesOf } from '../../shares.ts';
import { warmUpSeconds } from '../../warm-up.ts';
import type { ClientsReport, LatencyReport, Load, PacedLoad, RunningSystem, TopicLayout } from '../system.ts';
import { type KafkaJava, sourceArgs, toolArgs } from './java.ts';
import type { KafkaNodes } from './nodes.ts';
import { consumedOf, producedOf, type Told } from './tool-output.ts';

/** How its makers and their performance guides have throughput: large batches, and a little time to fill them. */
export const producerProperties = [
  'acks=all',
  'batch.size=200000',
  'linger.ms=10',
  'buffer.memory=67108864',
  'compression.type=none',
];
export const consumerProperties = ['fetch.min.bytes=100000'];

const valuesInFile = 250;

/** Kafka, by its own tools. */
export class RunningKafka implements RunningSystem {
  readonly #java: KafkaJava;
  readonly #nodes: KafkaNodes;
  readonly #directory: string;

  constructor(java: KafkaJava, nodes: KafkaNodes, directory: string) {
    this.#java = java;
    this.#nodes = nodes;
    this.#directory = directory;
  }

  get serverPids(): readonly number[] {
    return this.#nodes.processes.map(({ pid }) => pid);
  }

  async createTopic({ name, partitions, replicas }: TopicLayout): Promise<void> {
    const layout = ['--partitions', String(partitions), '--replication-factor', String(replicas)];
    const quorum = ['--config', `min.insync.replicas=${replicas > 2 ? 2 : 1}`];
    await this.#tool('TopicCommand', ['--create', '--topic', name, ...layout, ...quorum]);
  }

  async deleteTopic(name: string): Promise<void> {
    await this.#tool('TopicCommand', ['--delete', '--topic', name]);
  }

  produce({ topic, records, valueBytes, clients }: Load): Promise<ClientsReport> {
    return shared(records, clients, producedOf, (share) => {
      // Values from a file: made up one by one at random, they would cost the tool more than Kafka costs it.
      const values = ['--payload-file', this.#valuesOf(valueBytes)];
      const count = ['--num-records', String(share.records), ...values, '--throughput', '-1'];
      return this.#tool('ProducerPerformance', [
        '--topic',
        topic,
        ...count,
        '--command-property',
        ...producerProperties,
      ]);
    });
  }

  consume({ topic, records, clients }: Load): Promise<ClientsReport> {
    // Its tool shares partitions, not records, and can't tell when others have read the rest.
    if (clients > 1)
      return shared(
        records,
        clients,
        (json) => JSON.parse(json),
        (share) => this.#readShare(topic, share, clients),
      );
    const properties = consumerProperties.flatMap((property) => ['--command-property', property]);
    return shared(records, 1, consumedOf, () =>
      this.#tool('ConsumerPerformance', ['--topic', topic, '--num-records', String(records), ...properties]),
    );
  }

  async endToEnd({ topic, perSecond, seconds, valueBytes }: PacedLoad): Promise<LatencyReport> {
    const { program } = this.#java;
    const args = [this.#nodes.bootstrap, topic, perSecond, warmUpSeconds(seconds), seconds, valueBytes].map(String);
    const { printed } = await runClient(program, sourceArgs(this.#java, 'EndToEnd.java', args));
    return JSON.parse(printed) as LatencyReport;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.processes.map((one) => one.kill()));
  }

  /** A file with values of that size, a line each. */
  #valuesOf(valueBytes: number): string {
    const path = join(this.#directory, `values-${valueBytes}`);
    if (existsSync(path)) return path;
    const values = new NumberedValues(valueBytes, 0);
    const lines = Array.from({ length: valuesInFile }, (_, number) =>
      values
        .at(number)
        .toString('latin1')
        .replaceAll(/[^ -~]/g, '.'),
    );
    writeFileSync(path, lines.join('\n'), 'latin1');
    return path;
  }

  #readShare(topic: string, { client }: Share, clients: number): Promise<ClientRun> {
    const args = [this.#nodes.bootstrap, topic, String(client), String(clients), ...consumerProperties];
    return runClient(this.#java.program, sourceArgs(this.#java, 'ReadShare.java', args));
  }

  #tool(name: string, args: readonly string[]): Promise<ClientRun> {
    const all = ['--bootstrap-server', this.#nodes.bootstrap, ...args];
    return runClient(this.#java.program, toolArgs(this.#java, `org.apache.kafka.tools.${name}`, all));
  }
}

/** Runs clients side by side. They start together, so the slowest of them says how long all of them took. */
async function shared(
  records: number,
  clients: number,
  read: (printed: string) => Told,
  run: (share: Share) => Promise<ClientRun>,
): Promise<ClientsReport> {
  const runs = await Promise.all(sharesOf(records, clients).map(run));
  const told = runs.map(({ printed }) => read(printed));
  const sum = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0);
  const done = sum(told.map((one) => one.records));
  if (done !== records) throw new Error(`Kafka has done ${done} of ${records} records`);
  return {
    records,
    seconds: Math.max(...told.map(({ seconds }) => seconds)),
    cpuSeconds: sum(runs.map(({ cpuSeconds }) => cpuSeconds)),
    peakMiB: sum(runs.map(({ peakMiB }) => peakMiB)),
  };
}
