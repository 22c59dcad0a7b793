import { randomInt } from 'node:crypto';
import {
  type ConsumeMode,
  consumeLoad,
  consumeModes,
  endToEndLoad,
  ForeignValue,
  fastProducer,
  type Progress,
  produceLoad,
  valueBytesMin,
} from '@moldau/bench';
import { type Bounds, type Duration, type Moldau, producerBounds, type Size } from '@moldau/client';
import { formatBytes, formatDuration, parseBytes, parseDuration } from '@moldau/config';
import { benchedLatencies, benchedLoad, fellBehind, type Pace, reachedPerSecond } from '../bench-report.ts';
import { compressionOf } from '../compression-flag.ts';
import { deliveryOf } from '../delay-notice.ts';
import { CommandFailed, exitCode, usage } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { printThing } from '../listing.ts';
import { numberOf } from '../numbers.ts';
import { lineStart, startProgress } from '../progress.ts';
import { clientOf, withClient } from '../session.ts';
import type { GlobalOptions } from '../settings.ts';

/** Flags of all of `moldau bench`. */
export interface BenchOptions extends GlobalOptions {
  readonly size: string;
  readonly partitions?: string;
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
/** The largest value that a topic takes as it is created. */
const valueBytesMax = 2 ** 20;

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
    batchSize: bytesOf('--batch-size', options.batchSize, producerBounds.batchSize),
    buffer: bytesOf('--buffer', options.buffer, producerBounds.buffer),
    linger: durationOf('--linger', options.linger, producerBounds.linger),
    compression: compressionOf(options.compression),
    ...deliveryOf(options, io),
  };
  const layout = layoutOf(options);
  // Others may have written to the topic: each writer counts for itself.
  const writer = randomInt(65_536);
  await withClient(options, io, async (client, { output }) => {
    await makeTopic(client, topic, layout);
    const load = { topic, records, valueBytes, writer, keys, perSecond, producer };
    const run = (progress: Progress) => produceLoad(client, load, progress, io.interrupted);
    const report = await watched(records, options, io, run);
    if (perSecond !== undefined) warnOfBehind(perSecond, report, options, io);
    const { thing, table } = benchedLoad('produce', load, report);
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
    const run = (progress: Progress) => consumeLoad(client, load, progress, io.interrupted);
    const report = await watched(records, options, io, run).catch((error: unknown) => {
      throw error instanceof ForeignValue ? foreign(topic, options.size, error) : error;
    });
    const { thing, table } = benchedLoad(`consume, ${modeText[mode]}`, load, report);
    await printThing(thing, { name: topic, table }, output, io);
  });
}

const foreign = (topic: string, size: string, { partition, offset, problem }: ForeignValue): CommandFailed =>
  new CommandFailed(
    exitCode.failed,
    `offset ${offset} of ${topic}/${partition} holds ${problem}: ` +
      `was it written by \`moldau bench produce\` with --size ${size}?`,
  );

/** `moldau bench e2e` */
export async function endToEnd(options: BenchEndToEndOptions, io: Io): Promise<void> {
  const perSecond = numberOf('--rate', options.rate, 1);
  const seconds = secondsOf(options);
  const valueBytes = sizeOf(options);
  const producer = {
    linger: durationOf('--linger', options.linger, producerBounds.linger),
    // Batches fill while others are under way: at a high rate small ones would wait for the disk.
    batchSize: fastProducer.batchSize,
    ...deliveryOf(options, io),
  };
  const layout = layoutOf(options);
  const topic = `moldau-bench-e2e-${randomInt(2 ** 32).toString(16)}`;
  await withClient(options, io, async (client, settings) => {
    const reading = clientOf(settings);
    await client.admin.createTopic({ name: topic, ...layout });
    try {
      const load = { topic, perSecond, seconds, valueBytes, producer, warmUpSeconds };
      const records = perSecond * (seconds + warmUpSeconds);
      const run = (progress: Progress) => endToEndLoad(client, reading, load, progress, io.interrupted);
      const report = await watched(records, options, io, run);
      const isBehind = warnOfBehind(perSecond, report, options, io);
      const { thing, table } = benchedLatencies(load, report, isBehind);
      await printThing(thing, { name: topic, table }, settings.output, io);
    } finally {
      await reading.close();
      await removeTopic(client, topic, io);
    }
  });
}

/** Never throws: what went wrong before says more. */
async function removeTopic(client: Moldau, topic: string, io: Io): Promise<void> {
  try {
    await client.admin.deleteTopic(topic);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    io.stderr.write(`warning: the topic ${topic} is left behind: ${reason}\n`);
  }
}

/** Only what was given. */
interface Layout {
  readonly partitions?: number;
  readonly replicas?: number;
}

function layoutOf({ partitions, replicas }: BenchOptions): Layout {
  return {
    ...(partitions !== undefined && { partitions: numberOf('--partitions', partitions, 1) }),
    ...(replicas !== undefined && { replicas: numberOf('--replicas', replicas, 1) }),
  };
}

/** Creates a topic, or takes the one that there is. Throws a usage error when that has another layout than was asked for. */
async function makeTopic(client: Moldau, name: string, layout: Layout): Promise<void> {
  const { partitions } = await client.admin.createTopic({ name, partitions: 1, ...layout }, { ifNotExists: true });
  const has = { partitions: partitions.length, replicas: partitions[0]?.replicas.length ?? 0 };
  for (const flag of ['partitions', 'replicas'] as const) {
    const asked = layout[flag];
    if (asked === undefined || asked === has[flag]) continue;
    const text = `${name} exists, and has ${has.partitions} partition(s) of ${has.replicas} replica(s)`;
    throw usage(`--${flag} ${asked}: ${text}: leave the flag out, or name another topic`);
  }
}

async function countOf({ admin }: Moldau, topic: string): Promise<number> {
  const sumOf = (all: readonly { offset: bigint | undefined }[]): number =>
    all.reduce((sum, { offset }) => sum + Number(offset ?? 0n), 0);
  // Retention, or a trim, may have removed the first ones.
  return sumOf(await admin.listOffsets(topic, 'end')) - sumOf(await admin.listOffsets(topic, 'start'));
}

/** Says so when a steady rate was not kept; returns whether that is so. */
function warnOfBehind(perSecond: number, pace: Pace, { quiet }: GlobalOptions, io: Io): boolean {
  if (!fellBehind(perSecond, pace)) return false;
  const [asked, reached] = [perSecond, reachedPerSecond(pace)].map((rate) => rate.toLocaleString('en'));
  if (quiet !== true) io.stderr.write(`warning: this did not keep up: ${asked} records/s asked, ${reached} reached\n`);
  return true;
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
    const report = await run(progress);
    if (io.interrupted.aborted && options.quiet !== true)
      io.stderr.write(`${lineStart(io)}interrupted after ${progress.records} of ${records} records\n`);
    return report;
  } finally {
    stop();
  }
}

const sizeOf = ({ size }: { readonly size: string }): number => {
  const bytes = parsed('--size', size, parseBytes);
  if (bytes < valueBytesMin)
    throw usage(`--size ${size}: at least ${valueBytesMin} bytes, for the number by which each record is checked`);
  return within('--size', size, bytes, [valueBytesMin, valueBytesMax], formatBytes);
};
const bytesOf = (flag: string, value: string, bounds: Bounds): Size & number =>
  within(flag, value, parsed(flag, value, parseBytes), bounds, formatBytes);
const durationOf = (flag: string, value: string, bounds: Bounds): Duration & number =>
  within(flag, value, parsed(flag, value, parseDuration), bounds, formatDuration);

function secondsOf({ duration }: BenchEndToEndOptions): number {
  const seconds = parsed('--duration', duration, parseDuration) / 1000;
  if (Number.isSafeInteger(seconds) && seconds >= 1) return seconds;
  throw usage(`--duration ${duration}: use a whole number of seconds, from 1s on`);
}

function within(
  flag: string,
  text: string,
  value: number,
  [min, max]: Bounds,
  format: (value: number) => string,
): number {
  if (value >= min && value <= max) return value;
  throw usage(`${flag} ${text}: use ${format(min)} to ${format(max)}`);
}

function parsed(flag: string, value: string, parse: (value: string) => number): number {
  try {
    return parse(value);
  } catch (error) {
    throw usage(`${flag} ${value}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
