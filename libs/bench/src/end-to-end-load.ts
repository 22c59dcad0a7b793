import { codec, type Moldau, type ProducerOptions } from '@moldau/client';
import { NumberedValues, sumWritten, ValueCheck } from './numbered-values.ts';
import { type Latencies, LatencyCollector } from './process-use.ts';
import { epochMs, type LoadProducer, type Progress, pacedRuns } from './produce-load.ts';
import { TimedAcks } from './timed-acks.ts';

/** Records at a steady rate, written and read by the same process. */
export interface EndToEndLoad {
  readonly topic: string;
  readonly perSecond: number;
  readonly seconds: number;
  /** Before what counts: for what compiles as it runs, and for windows to open. */
  readonly warmUpSeconds: number;
  readonly valueBytes: number;
  readonly producer: LoadProducer & Pick<ProducerOptions<Uint8Array, Uint8Array>, 'batchSize' | 'linger'>;
}

/** Latencies from the moment at which a record was due, of one that comes late too. */
export interface EndToEndReport {
  /** That were written and read, those before what counts among them. */
  readonly records: number;
  /** Milliseconds since 1970, of the beginning and of the last record that was read. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Until its acknowledgement; of a thousand a second at most. */
  readonly acknowledged: Latencies;
  /** Until its reader had it. */
  readonly read: Latencies;
}

/**
 * The topic must be there, and empty. When `signal` is aborted, what was written until then is read, and reported. Throws when
 * a record was lost.
 */
export async function endToEndLoad(
  writing: Moldau,
  reading: Moldau,
  load: EndToEndLoad,
  progress: Progress,
  signal?: AbortSignal,
): Promise<EndToEndReport> {
  const { topic, perSecond, valueBytes } = load;
  const warmUp = load.warmUpSeconds * perSecond;
  let records = warmUp + load.seconds * perSecond;
  await using producer = writing.producer({ topic, key: codec.bytes, value: codec.bytes, ...load.producer });
  await using consumer = reading.consumer({ topics: [topic], from: 'start', key: codec.bytes, value: codec.bytes });
  const values = new NumberedValues(valueBytes, 0);
  const acks = new TimedAcks(signal);
  const check = new ValueCheck(valueBytes);
  const read = new LatencyCollector();
  let dueAt: (number: number) => number = () => 0;
  // Of so many a thousand times a second: a promise for each would cost more than what it times.
  const ackTimedEvery = Math.ceil(perSecond / 1_000);
  const startedAtMs = epochMs();
  await Promise.all([write(), readAll()]);
  return { records, startedAtMs, endedAtMs: epochMs(), acknowledged: acks.latencies, read: read.latencies };

  async function write(): Promise<void> {
    const run = async (from: number, to: number, dueAtOf: (number: number) => number): Promise<void> => {
      dueAt = dueAtOf;
      for (let at = from; at < to && !acks.isOver; at = progress.records) {
        const timed = Math.ceil(Math.max(at, warmUp) / ackTimedEvery) * ackTimedEvery;
        await producer.pushAll(numbered(at, Math.min(timed, to)));
        if (timed < to) acks.add((await producer.push({ value: values.at(timed) })).ack, dueAtOf(timed));
        progress.records = Math.min(timed + 1, to);
      }
    };
    await pacedRuns(records, perSecond, run, () => acks.isOver);
    await producer.flush();
    acks.check();
    records = progress.records;
    // It waits for more than will come.
    if (check.records === records) await consumer.close();
  }

  function* numbered(from: number, to: number): Generator<{ value: Uint8Array }> {
    for (let number = from; number < to; number += 1) yield { value: values.at(number) };
  }

  async function readAll(): Promise<void> {
    for await (const { partition, value, offset } of consumer) {
      const number = check.take(partition, value, offset);
      if (number >= warmUp) read.add(performance.now() - dueAt(number));
      if (check.records === records) break;
    }
    const expected = sumWritten([records]);
    if (check.records !== expected.records || check.numbers !== expected.numbers)
      throw new Error('the records that were read are not those that were written');
  }
}
