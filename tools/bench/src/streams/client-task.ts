import { epochMs, LatencyCollector, NumberedValues, paced, type ReadSum, ValueCheck } from '@moldau/bench';
import { found, given } from '@moldau/measure-tool/children';
import type { LatencyReport } from '../systems/system.ts';
import { failWhenStalled } from './stall.ts';
import type { StreamArguments, StreamClient, StreamTask } from './stream-client.ts';

/** How long one client took, as the clock of the machine says, and what it took. */
export interface Measured extends ReadSum {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

type BulkTask = Extract<StreamTask, { kind: 'produce' | 'consume' }>;
type PacedTask = Extract<StreamTask, { kind: 'endToEnd' }>;

const microsPerSecond = 1_000_000;
const KiBPerMiB = 1_024;

/** For the script of a system: connects, does what it is given, prints what it found, and goes. */
export async function runTask(connect: (port: number) => Promise<StreamClient>): Promise<void> {
  const { port, task } = given<StreamArguments>();
  found(await carryOut(await connect(port), task));
  // It has nothing left to say to its server: its connections end with it.
  process.exit();
}

async function carryOut(client: StreamClient, task: StreamTask): Promise<object> {
  switch (task.kind) {
    case 'create':
      await client.createTopic(task.topic);
      return {};
    case 'delete':
      await client.deleteTopic(task.topic);
      return {};
    case 'produce':
      return measured(task, (sum) => produce(client, task, sum));
    case 'consume':
      return measured(task, (sum) => consume(client, task, sum));
    case 'endToEnd':
      return endToEnd(client, task);
  }
}

async function measured(task: BulkTask, run: (sum: ValueCheck) => Promise<void>): Promise<Measured> {
  const sum = new ValueCheck(task.valueBytes);
  const stall = failWhenStalled(() => sum.records, task.kind);
  const cpuBefore = process.cpuUsage();
  const startedAtMs = epochMs();
  await Promise.race([run(sum), stall.failed]);
  const endedAtMs = epochMs();
  const cpu = process.cpuUsage(cpuBefore);
  stall.stop();
  return {
    startedAtMs,
    endedAtMs,
    records: sum.records,
    numbers: sum.numbers,
    cpuSeconds: (cpu.user + cpu.system) / microsPerSecond,
    peakMiB: process.resourceUsage().maxRSS / KiBPerMiB,
  };
}

async function produce(client: StreamClient, { topic, valueBytes, share }: BulkTask, sum: ValueCheck): Promise<void> {
  const values = new NumberedValues(valueBytes, share.client);
  const next = (): Buffer => {
    // A client may keep it until it is acknowledged.
    const value = Buffer.from(values.at(sum.records));
    sum.take(0, value);
    return value;
  };
  await client.writeAll(topic, { count: share.records, valueBytes, next });
}

async function consume(client: StreamClient, { topic, share, clients }: BulkTask, sum: ValueCheck): Promise<void> {
  const failure = Promise.withResolvers<never>();
  const take = (value: Uint8Array): void => {
    // A client may not care what its listeners throw.
    try {
      sum.take(0, value);
    } catch (error) {
      failure.reject(error);
    }
  };
  await Promise.race([client.readShare(topic, share, clients, take), failure.promise]);
}

async function endToEnd(client: StreamClient, task: PacedTask): Promise<LatencyReport> {
  const { topic, valueBytes, perSecond, warmUpSeconds, seconds } = task;
  const warmUp = perSecond * warmUpSeconds;
  const count = warmUp + perSecond * seconds;
  const latencies = new LatencyCollector();
  const values = new NumberedValues(valueBytes, 0);
  const sum = new ValueCheck(valueBytes);
  const all = Promise.withResolvers<void>();
  const dueAtMs = new Float64Array(count);
  const write = await client.writer(topic);
  await client.follow(topic, (value) => {
    const takenMs = performance.now();
    try {
      const number = sum.take(0, value);
      if (number >= warmUp) latencies.add(takenMs - (dueAtMs[number] ?? 0));
    } catch (error) {
      all.reject(error);
    }
    if (sum.records === count) all.resolve();
  });
  const stall = failWhenStalled(() => sum.records, task.kind);
  const acknowledged: Promise<void>[] = [];
  const sent = paced(count, perSecond, (number, dueAt) => {
    dueAtMs[number] = dueAt;
    const one = write(Buffer.from(values.at(number)));
    one.catch(all.reject);
    acknowledged.push(one);
  });
  await Promise.race([Promise.all([sent, all.promise]), stall.failed]);
  await Promise.all(acknowledged);
  stall.stop();
  return latencies.latencies;
}
