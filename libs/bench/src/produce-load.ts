import { codec, type Moldau, type OutgoingRecord, type Producer, type ProducerOptions } from '@moldau/client';
import { NumberedValues } from './numbered-values.ts';
import { type Latencies, type ProcessUse, ProcessWatch } from './process-use.ts';
import { TimedAcks } from './timed-acks.ts';

/** What one client is to write. */
export interface ProduceLoad {
  readonly topic: string;
  readonly records: number;
  readonly valueBytes: number;
  /** Its number among the writers of a topic. */
  readonly writer: number;
  /** Keys are drawn from so many. Absent: none has a key. */
  readonly keys?: number | undefined;
  /** Records a second, at steady times. Absent: as fast as they are taken. */
  readonly perSecond?: number | undefined;
  readonly producer: LoadProducer &
    Pick<ProducerOptions<Uint8Array, Uint8Array>, 'compression' | 'linger' | 'batchSize' | 'buffer'>;
}

/** What the producer of every load may be told. */
export type LoadProducer = Pick<ProducerOptions<Uint8Array, Uint8Array>, 'deliveryTimeout' | 'onDelay'>;

/** What came of a load. */
export interface LoadReport extends ProcessUse {
  readonly records: number;
  /** Milliseconds since 1970, of the first record and of the end. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** From `push` to the acknowledgement of every 1 024th record; of a load with a rate from the due time, of all. */
  readonly latencies: Latencies;
}

/** How far a load has come. */
export interface Progress {
  records: number;
}

/** Records that are pushed at a time; the first of them is timed. */
const piece = 1_024;
/** A timer may come so late. */
const timerLateMs = 2;
/** Of more than this, what has come due is taken once a millisecond: whoever waits for each one takes a core from the others. */
const waitedPerSecond = 10_000;

export const epochMs = (): number => performance.timeOrigin + performance.now();

/**
 * Writes, and resolves when everything is acknowledged; when `signal` is aborted, with what was written until then. Throws when
 * a record was lost.
 */
export async function produceLoad(
  client: Moldau,
  load: ProduceLoad,
  progress: Progress,
  signal?: AbortSignal,
): Promise<LoadReport> {
  const { topic, records, valueBytes, writer, keys, perSecond } = load;
  await using producer = client.producer({ topic, key: codec.bytes, value: codec.bytes, ...load.producer });
  const values = new NumberedValues(valueBytes, writer);
  const keyOf = keyChooser(keys);
  const record = (number: number): OutgoingRecord<Uint8Array, Uint8Array> => ({
    key: keyOf(number),
    value: values.at(number),
  });
  const acks = new TimedAcks(signal);
  const watch = new ProcessWatch();
  const startedAtMs = epochMs();
  if (perSecond === undefined) await pushFast(producer, record, records, acks, progress);
  else await pushPaced(producer, record, { records, perSecond }, acks, progress);
  await producer.flush();
  acks.check();
  const use = watch.stop();
  return { ...use, records: progress.records, startedAtMs, endedAtMs: epochMs(), latencies: acks.latencies };
}

type RecordOf = (number: number) => OutgoingRecord<Uint8Array, Uint8Array>;

async function pushFast(
  producer: Producer<Uint8Array, Uint8Array>,
  record: RecordOf,
  records: number,
  acks: TimedAcks,
  progress: Progress,
): Promise<void> {
  function* numbered(from: number, to: number): Generator<OutgoingRecord<Uint8Array, Uint8Array>> {
    for (let number = from; number < to; number += 1) yield record(number);
  }
  while (progress.records < records && !acks.isOver) {
    const from = progress.records;
    const to = Math.min(records, from + piece);
    const startedAt = performance.now();
    acks.add((await producer.push(record(from))).ack, startedAt);
    await producer.pushAll(numbered(from + 1, to));
    progress.records = to;
  }
}

/** Each latency counts from the moment at which its record was due: one that comes late counts as slow. */
async function pushPaced(
  producer: Producer<Uint8Array, Uint8Array>,
  record: RecordOf,
  { records, perSecond }: { readonly records: number; readonly perSecond: number },
  acks: TimedAcks,
  progress: Progress,
): Promise<void> {
  const act = async (number: number, dueAt: number): Promise<void> => {
    acks.add((await producer.push(record(number))).ack, dueAt);
    progress.records = number + 1;
  };
  await paced(records, perSecond, act, () => acks.isOver);
}

/** Calls for each number at its time, or as soon as it can behind it, until it `isOver`. `dueAt`: by `performance.now`. */
export async function paced(
  count: number,
  perSecond: number,
  act: (number: number, dueAt: number) => Promise<void> | void,
  isOver = (): boolean => false,
): Promise<void> {
  const run = async (from: number, to: number, dueAt: (number: number) => number): Promise<void> => {
    for (let number = from; number < to && !isOver(); number += 1) await act(number, dueAt(number));
  };
  await pacedRuns(count, perSecond, run, isOver);
}

/** The same for all at once whose time has come: from `from` on, and below `to`. */
export async function pacedRuns(
  count: number,
  perSecond: number,
  act: (from: number, to: number, dueAt: (number: number) => number) => Promise<void>,
  isOver = (): boolean => false,
): Promise<void> {
  const startAt = performance.now() + 1;
  const dueAt = (number: number): number => startAt + (number * 1000) / perSecond;
  for (let next = 0; next < count && !isOver(); ) {
    if (perSecond > waitedPerSecond) await new Promise((resolve) => setTimeout(resolve, 1));
    else await momentOf(dueAt(next));
    const passed = Math.floor(((performance.now() - startAt) * perSecond) / 1000) + 1;
    const to = Math.min(count, Math.max(next + 1, passed));
    await act(next, to, dueAt);
    next = to;
  }
}

/** Timers are too coarse for the last stretch: how late they are would count as latency. What waits there leaves no garbage. */
function momentOf(dueMs: number): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (performance.now() >= dueMs) resolve();
      else setImmediate(look);
    };
    const leftMs = dueMs - performance.now();
    if (leftMs <= 0) resolve();
    else if (leftMs > timerLateMs) setTimeout(look, leftMs - timerLateMs);
    else setImmediate(look);
  });
}

function keyChooser(keys: number | undefined): (number: number) => Uint8Array | null {
  if (keys === undefined) return () => null;
  const all = Array.from({ length: keys }, (_, index) => Buffer.from(`key-${index}`));
  // A stride that no usual number of keys divides: neighbours go to different partitions.
  return (number) => all[(number * 7_919) % keys] ?? null;
}
