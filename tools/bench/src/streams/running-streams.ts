import { sumWritten } from '@moldau/bench';
import type { TiedProcess } from '@moldau/testing/tied-process';
import { runClientScript } from '../client-process.ts';
import { type Share, sharesOf } from '../shares.ts';
import type { ClientsReport, LatencyReport, Load, PacedLoad, RunningSystem, TopicLayout } from '../systems/system.ts';
import { warmUpSeconds } from '../warm-up.ts';
import type { Measured } from './client-task.ts';
import type { StreamArguments, StreamTask } from './stream-client.ts';

/** A server that runs, and the script that is its client. */
export interface StreamServer {
  readonly name: string;
  readonly script: URL;
  readonly processes: readonly TiedProcess[];
  readonly port: number;
}

const msPerSecond = 1_000;

/** A system of one node, whose topics are one stream each, used by a script of its own. */
export class RunningStreams implements RunningSystem {
  readonly #server: StreamServer;

  constructor(server: StreamServer) {
    this.#server = server;
  }

  get serverPids(): readonly number[] {
    return this.#server.processes.map(({ pid }) => pid);
  }

  async createTopic({ name, partitions, replicas }: TopicLayout): Promise<void> {
    const system = this.#server.name;
    if (partitions !== 1) throw new Error(`a topic of ${system} is one stream: it can't have ${partitions} partitions`);
    if (replicas !== 1) throw new Error(`${system} runs as one node here: it can't keep ${replicas} copies`);
    await this.#run({ kind: 'create', topic: name });
  }

  async deleteTopic(name: string): Promise<void> {
    await this.#run({ kind: 'delete', topic: name });
  }

  produce(load: Load): Promise<ClientsReport> {
    return this.#share('produce', load);
  }

  consume(load: Load): Promise<ClientsReport> {
    return this.#share('consume', load);
  }

  async endToEnd(load: PacedLoad): Promise<LatencyReport> {
    return this.#run<LatencyReport>({ kind: 'endToEnd', ...load, warmUpSeconds: warmUpSeconds(load.seconds) });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#server.processes.map((one) => one.kill()));
  }

  async #share(kind: 'produce' | 'consume', { topic, records, valueBytes, clients }: Load): Promise<ClientsReport> {
    const shares = sharesOf(records, clients);
    const run = (share: Share) => this.#run<Measured>({ kind, topic, valueBytes, share, clients });
    const runs = await Promise.all(shares.map(run));
    const sum = (of: (one: Measured) => number): number => runs.reduce((total, one) => total + of(one), 0);
    const written = sumWritten(shares.map((share) => share.records));
    if (sum((one) => one.records) !== written.records || sum((one) => one.numbers) !== written.numbers) {
      throw new Error(`${this.#server.name}, ${kind}: not each of ${records} records once`);
    }
    const startMs = Math.min(...runs.map(({ startedAtMs }) => startedAtMs));
    const endMs = Math.max(...runs.map(({ endedAtMs }) => endedAtMs));
    return {
      records,
      seconds: (endMs - startMs) / msPerSecond,
      cpuSeconds: sum((one) => one.cpuSeconds),
      peakMiB: sum((one) => one.peakMiB),
    };
  }

  #run<T>(task: StreamTask): Promise<T> {
    const args: StreamArguments = { port: this.#server.port, task };
    return runClientScript<T>(this.#server.script, args);
  }
}
