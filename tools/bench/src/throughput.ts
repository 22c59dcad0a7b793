import { type ConsumeMode, fastProducer } from '@moldau/bench';
import { parseBytes } from '@moldau/config/values';
import type { Ceiling } from './ceiling/ceiling.ts';
import type { Measured } from './samples.ts';
import { cpuSecondsOfProcesses, residentMiBOf, writtenBytesOf } from './server-use.ts';
import { type MoldauTopic, RunningMoldau, type Variant } from './systems/moldau.ts';
import type { ClientsReport, RunningSystem } from './systems/system.ts';

/** A system that is measured, by its name in the tables. */
export interface Contender {
  readonly name: string;
  readonly system: RunningSystem;
}

/** One shape of topic and records, written and then read in each round by everyone in turn. */
export interface ThroughputShape {
  readonly valueBytes: number;
  readonly partitions: number;
  readonly replicas: number;
  readonly clients?: number;
  readonly flush?: MoldauTopic['flush'];
  readonly variant?: Variant;
  /** How ours is read. Default: record by record. */
  readonly modes?: readonly ConsumeMode[];
}

/** The bare stream, as the library is, and with the care for buffers that ours has. */
export interface Ceilings {
  readonly plain: Ceiling;
  readonly early: Ceiling;
}

/** How long and how often. */
export interface Effort {
  readonly rounds: number;
  /** What one run is to last, about. */
  readonly seconds: number;
  /** What is read that lies in no cache. */
  readonly coldBytes: number;
  /** How long the memory of a loaded node is watched. */
  readonly memoryMinutes: number;
}

/** The first run of each: what it compiles as it runs, and how many records make up a run, come from that. */
const firstRecords = 100_000;
const firstBytesMax = 50_000_000;
const runBytesMax = 1_500_000_000;

/** Frames of the bare stream are as large as the batches of our producer. */
export const frameBytes = parseBytes(fastProducer.batchSize);

/** The ceiling of whoever syncs what he is sent. */
export const slowerBare = 'bare stream or bare disk, the slower one';

const earlyName = 'bare gRPC stream, buffers collected early';

/** Measures writing and reading of one shape. `title` begins the name of each figure. */
export async function measureThroughput(
  title: string,
  shape: ThroughputShape,
  contenders: readonly Contender[],
  ceilings: Ceilings | undefined,
  { rounds, seconds }: Effort,
  measured: Measured,
  say: (text: string) => void,
): Promise<void> {
  const { valueBytes } = shape;
  const first = Math.max(1_000, Math.min(firstRecords, Math.floor(firstBytesMax / valueBytes)));
  const records = new Map<string, number>();
  for (const contender of contenders) {
    say(`${title}: ${contender.name} warms up`);
    // Twice: the first run of a virtual machine is slow.
    let count = first;
    for (const name of ['first', 'second']) {
      const { produced } = await writeAndRead(contender, shape, count, `${topicOf(title)}-${name}`);
      const [written] = produced;
      const wanted = (written.records / written.seconds) * seconds;
      count = Math.round(Math.max(first, Math.min(wanted, runBytesMax / valueBytes)));
    }
    records.set(contender.name, count);
  }
  for (let round = 1; round <= rounds; round += 1) {
    if (ceilings !== undefined) {
      say(`${title}: round ${round} of ${rounds}, ceiling`);
      await measureCeilings(title, ceilings, Math.min(runBytesMax, 300_000_000 * seconds), measured);
    }
    for (const contender of contenders) {
      say(`${title}: round ${round} of ${rounds}, ${contender.name}`);
      const count = records.get(contender.name) ?? first;
      const topic = `${topicOf(title)}-${round}`;
      const { produced, consumed } = await writeAndRead(contender, shape, count, topic);
      note(measured, `${title}, produce`, contender.name, valueBytes, produced);
      for (const [mode, report] of consumed)
        note(measured, `${title}, consume`, nameOf(contender, mode), valueBytes, report);
    }
  }
}

async function measureCeilings(title: string, ceilings: Ceilings, bytes: number, measured: Measured): Promise<void> {
  const mbPerSecond = (what: string, who: string, bytesPerSecond: number): void =>
    measured.add(`${title}, ${what}`, who, 'MB/s', bytesPerSecond / 1e6);
  const stream = await ceilings.plain.upload(bytes, frameBytes);
  const disk = await ceilings.plain.disk(bytes / 2, frameBytes);
  mbPerSecond('produce', 'bare gRPC stream', stream);
  mbPerSecond('produce', earlyName, await ceilings.early.upload(bytes, frameBytes));
  mbPerSecond('produce', 'bare append + fdatasync', disk);
  // Whatever is sent is synced, too: nobody can be faster than either.
  mbPerSecond('produce', slowerBare, Math.min(stream, disk));
  mbPerSecond('consume', 'bare gRPC stream', await ceilings.plain.download(bytes, frameBytes));
  mbPerSecond('consume', earlyName, await ceilings.early.download(bytes, frameBytes));
}

/** What the servers of a system took while something ran. */
export interface ServerUse {
  readonly cpuSeconds: number;
  /** When it had ended. */
  readonly residentMiB: number;
  readonly writtenBytes: number;
}

type Run = readonly [ClientsReport, ServerUse];

async function writeAndRead(
  { system }: Contender,
  shape: ThroughputShape,
  records: number,
  topic: string,
): Promise<{ produced: Run; consumed: Map<ConsumeMode, Run> }> {
  const { partitions, replicas, valueBytes, clients = 1, flush, variant } = shape;
  const load = { topic, records, valueBytes, clients };
  const isOurs = system instanceof RunningMoldau;
  const layout: MoldauTopic = { name: topic, partitions, replicas, ...(flush !== undefined && { flush }) };
  await system.createTopic(layout);
  const produced = await watched(system, () => (isOurs ? system.produce(load, variant) : system.produce(load)));
  const consumed = new Map<ConsumeMode, Run>();
  const readers = Math.min(clients, partitions);
  const modes = isOurs ? (shape.modes ?? ['records']) : (['records'] as const);
  for (const mode of modes) {
    const read = { ...load, clients: readers };
    const run = await watched(system, () => (isOurs ? system.consume(read, { mode }, clients) : system.consume(read)));
    consumed.set(mode, run);
  }
  await system.deleteTopic(topic);
  return { produced, consumed };
}

/** Runs it, and sees what the servers take for it. */
export async function watched<T>(system: RunningSystem, run: () => Promise<T>): Promise<[T, ServerUse]> {
  const pids = system.serverPids;
  const cpuBefore = cpuSecondsOfProcesses(pids);
  const writtenBefore = writtenBytesOf(pids);
  const result = await run();
  const use = {
    cpuSeconds: cpuSecondsOfProcesses(pids) - cpuBefore,
    residentMiB: residentMiBOf(pids),
    writtenBytes: writtenBytesOf(pids) - writtenBefore,
  };
  return [result, use];
}

/** How fast the clients were, and what they took. */
export function noteClients(
  measured: Measured,
  what: string,
  who: string,
  valueBytes: number,
  { records, seconds, cpuSeconds, peakMiB, gcSeconds, loopDelayP99Ms }: ClientsReport,
): void {
  measured.add(what, who, 'MB/s', (records * valueBytes) / 1e6 / seconds);
  measured.add(`${what}: CPU seconds per million records, clients`, who, 's', cpuSeconds / (records / 1e6));
  measured.add(`${what}: peak memory of the clients`, who, 'MiB', peakMiB);
  if (gcSeconds !== undefined)
    measured.add(`${what}: part of the time that the clients collect garbage`, who, '%', (gcSeconds / seconds) * 100);
  if (loopDelayP99Ms !== undefined)
    measured.add(`${what}: delay of the clients' event loop, p99`, who, 'ms', loopDelayP99Ms);
}

function note(measured: Measured, what: string, who: string, valueBytes: number, [report, servers]: Run): void {
  const { records, cpuSeconds } = report;
  const millions = records / 1e6;
  noteClients(measured, what, who, valueBytes, report);
  measured.add(`${what}: CPU seconds per million records, servers`, who, 's', servers.cpuSeconds / millions);
  measured.add(`${what}: CPU seconds per million records, all`, who, 's', (cpuSeconds + servers.cpuSeconds) / millions);
  measured.add(`${what}: memory of the servers at the end`, who, 'MiB', servers.residentMiB);
  if (what.endsWith('produce'))
    measured.add(
      `${what}: bytes to the disk per byte of values`,
      who,
      'bytes',
      servers.writtenBytes / (records * valueBytes),
    );
}

const nameOf = ({ name, system }: Contender, mode: ConsumeMode): string =>
  system instanceof RunningMoldau ? `${name}, ${waysToRead[mode]}` : name;

const waysToRead: Readonly<Record<ConsumeMode, string>> = {
  records: 'for await',
  batches: 'batches()',
  raw: 'rawBatches()',
};

const topicOf = (title: string): string => title.toLowerCase().replace(/[^a-z0-9]+/g, '-');
