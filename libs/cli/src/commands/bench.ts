import { randomInt } from 'node:crypto';
import {
  type ConsumeMode,
  consumeLoad,
  consumeModes,
  endToEndLoad,
  fastProducer,
  type Progress,
  produceLoad,
  valueBytesMin,
} from '@moldau/bench';
import type { Duration, Moldau, Size } from '@moldau/client';
import { parseBytes, parseDuration } from '@moldau/config';
import { benchedLatencies, benchedLoad } from '../bench-report.ts';
import { compressionOf } from '../compression-flag.ts';
import { usage } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { printThing } from '../listing.ts';
import { numberOf } from '../numbers.ts';
import { startProgress } from '../progress.ts';
import { clientOf, withClient } from '../session.ts';
import type { GlobalOptions } from '../settings.ts';

/** Flags of all of `moldau bench`. */
export interface BenchOptions extends GlobalOptions {
  readonly size: string;
  readonly partitions: string;
  readonly replicas?: string;
}

/** Flags of `moldau bench produce`. */
export interface BenchProduceOptions extends BenchOptions {
  readonly records: string;
  readonly rate?: string;
  readonly keys?: string;
  readonly batchSize: string;
  readonly linger: string;
  readonly buffer: string;
  readonly compression: string;
}

/** Flags of `moldau bench consume`. */
export interface BenchConsumeOptions extends GlobalOptions {
  readonly size: string;
  readonly how: string;
}

/** Flags of `moldau bench e2e`. */
export interface BenchEndToEndOptions extends BenchOptions {
  readonly rate: string;
  readonly duration: string;
  readonly linger: string;
}

const barCells = 30;
const warmUpSeconds = 1;

const modeText: Readonly<Record<ConsumeMode, string>> = {
  records: 'record by record',
  batches: 'by the handful',
  raw: 'as stored',
};

/** `moldau bench produce` */
export async function produce(topic: string, options: BenchProduceOptions, io: Io): Promise<void> {
  const records = numberOf('--records', options.records, 1);
  const valueBytes = sizeOf(options);
  const keys = options.keys === undefined ? undefined : numberOf('--keys', options.keys, 1);
  const perSecond = options.rate === undefined ? undefined : numberOf('--rate', options.rate, 1);
  const producer = {
    batchSize: bytesOf('--batch-size', options.batchSize),
    buffer: bytesOf('--buffer', options.buffer),
    linger: durationOf('--linger', options.linger),
    compression: compressionOf(options.compression),
  };
  // Others may have written to the topic: each writer counts for itself.
  const writer = randomInt(65_536);
  await withClient(options, io, async (client, { output }) => {
    await makeTopic(client, topic, options, { ifNotExists: true });
    const load = { topic, records, valueBytes, writer, keys, perSecond, producer };
    const report = await watched(records, options, io, (progress) => produceLoad(client, load, progress));
    const { thing, table } = benchedLoad('produce', valueBytes, report);
    await printThing(thing, { name: topic, table }, output, io);
  });
}

/** `moldau bench consume` */
export async function consume(topic: string, options: BenchConsumeOptions, io: Io): Promise<void> {
  const mode = consumeModes.find((one) => one === options.how);
  if (mode === undefined) throw usage(`--how ${options.how}: use one of ${consumeModes.join(', ')}`);
  const valueBytes = sizeOf(options);
  await withClient(options, io, async (client, { output }) => {
    const records = await countOf(client, topic);
    if (records === 0) throw usage(`${topic} is empty: write to it with \`moldau bench produce ${topic}\``);
    const load = { topic, records, valueBytes, mode };
    const report = await watched(records, options, io, (progress) => consumeLoad(client, load, progress));
    const { thing, table } = benchedLoad(`consume, ${modeText[mode]}`, valueBytes, report);
    await printThing(thing, { name: topic, table }, output, io);
  });
}

/** `moldau bench e2e` */
export async function endToEnd(options: BenchEndToEndOptions, io: Io): Promise<void> {
  const perSecond = numberOf('--rate', options.rate, 1);
  const seconds = Math.max(1, Math.round(parsed('--duration', options.duration, parseDuration) / 1000));
  const valueBytes = sizeOf(options);
  // Batches fill while others are under way: at a high rate small ones would wait for the disk.
  const producer = { linger: durationOf('--linger', options.linger), batchSize: fastProducer.batchSize };
  const topic = `moldau-bench-e2e-${randomInt(2 ** 32).toString(16)}`;
  await withClient(options, io, async (client, settings) => {
    const reading = clientOf(settings);
    await makeTopic(client, topic, options, {});
    try {
      const load = { topic, perSecond, seconds, valueBytes, producer, warmUpSeconds };
      const records = perSecond * (seconds + warmUpSeconds);
      const run = (progress: Progress) => endToEndLoad(client, reading, load, progress);
      const { thing, table } = benchedLatencies(load, await watched(records, options, io, run));
      await printThing(thing, { name: topic, table }, settings.output, io);
    } finally {
      await reading.close();
      await client.admin.deleteTopic(topic);
    }
  });
}

async function makeTopic(
  client: Moldau,
  name: string,
  options: BenchOptions,
  how: { readonly ifNotExists?: boolean },
): Promise<void> {
  const partitions = numberOf('--partitions', options.partitions, 1);
  const replicas = options.replicas === undefined ? {} : { replicas: numberOf('--replicas', options.replicas, 1) };
  await client.admin.createTopic({ name, partitions, ...replicas }, how);
}

async function countOf({ admin }: Moldau, topic: string): Promise<number> {
  const sumOf = (all: readonly { offset: bigint | undefined }[]): number =>
    all.reduce((sum, { offset }) => sum + Number(offset ?? 0n), 0);
  // Retention, or a trim, may have removed the first ones.
  return sumOf(await admin.listOffsets(topic, 'end')) - sumOf(await admin.listOffsets(topic, 'start'));
}

/** Runs a load with a bar that fills, and the rate of the last second beside it. */
async function watched<T>(
  records: number,
  options: GlobalOptions,
  io: Io,
  run: (progress: Progress) => Promise<T>,
): Promise<T> {
  const progress: Progress = { records: 0 };
  let [lastRecords, lastAt] = [0, performance.now()];
  const stop = startProgress(
    () => {
      const now = performance.now();
      const rate = Math.round(((progress.records - lastRecords) * 1000) / (now - lastAt));
      [lastRecords, lastAt] = [progress.records, now];
      const filled = Math.min(barCells, Math.round((progress.records / records) * barCells));
      const bar = '█'.repeat(filled).padEnd(barCells, '░');
      return `${bar} ${progress.records.toLocaleString('en')} records, ${rate.toLocaleString('en')}/s`;
    },
    options,
    io,
  );
  try {
    return await run(progress);
  } finally {
    stop();
  }
}

const sizeOf = ({ size }: { readonly size: string }): number => {
  const bytes = bytesOf('--size', size);
  if (bytes >= valueBytesMin) return bytes;
  throw usage(`--size ${size}: at least ${valueBytesMin} bytes, for the number by which each record is checked`);
};
const bytesOf = (flag: string, value: string): Size & number => parsed(flag, value, parseBytes);
const durationOf = (flag: string, value: string): Duration & number => parsed(flag, value, parseDuration);

function parsed(flag: string, value: string, parse: (value: string) => number): number {
  try {
    return parse(value);
  } catch (error) {
    throw usage(`${flag} ${value}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
