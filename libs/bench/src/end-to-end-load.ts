import { codec, type Moldau, type ProducerOptions } from '@moldau/client';
import { NumberedValues, sumWritten, ValueCheck } from './numbered-values.ts';
import { type Latencies, LatencyCollector } from './process-use.ts';
import { type Progress, pacedRuns } from './produce-load.ts';

/** Records at a steady rate, written and read by the same process. */
export interface EndToEndLoad {
  readonly topic: string;
  readonly perSecond: number;
  readonly seconds: number;
  /** Before what counts: for what compiles as it runs, and for windows to open. */
  readonly warmUpSeconds: number;
  readonly valueBytes: number;
  readonly producer: Pick<ProducerOptions<Uint8Array, Uint8Array>, 'batchSize' | 'linger'>;
}

/** Both from the moment at which a record was due, of one that comes late too. */
export interface EndToEndReport {
  /** Until its acknowledgement; of a thousand a second at most. */
  readonly acknowledged: Latencies;
  /** Until its reader had it. */
  readonly read: Latencies;
}

/** The topic must be empty. */
export async function endToEndLoad(
  writing: Moldau,
  reading: Moldau,
  load: EndToEndLoad,
  progress: Progress,
): Promise<EndToEndReport> {
  const { topic, perSecond, valueBytes } = load;
  const warmUp = load.warmUpSeconds * perSecond;
  const records = warmUp + load.seconds * perSecond;
  await using producer = writing.producer({ topic, key: codec.bytes, value: codec.bytes, ...load.producer });
  await using consumer = reading.consumer({ topics: [topic], from: 'start', key: codec.bytes, value: codec.bytes });
  const values = new NumberedValues(valueBytes, 0);
  const acknowledged = new LatencyCollector();
  const read = new LatencyCollector();
  let dueAt: (number: number) => number = () => 0;
  // Of so many a thousand times a second: a promise for each would cost more than what it times.
  const ackTimedEvery = Math.ceil(perSecond / 1_000);
  const write = async (): Promise<void> => {
    await pacedRuns(records, perSecond, async (from, to, dueAtOf) => {
      dueAt = dueAtOf;
      progress.records = to;
      for (let at = from; at < to; ) {
        const timed = Math.ceil(Math.max(at, warmUp) / ackTimedEvery) * ackTimedEvery;
        await producer.pushAll(numbered(at, Math.min(timed, to)));
        if (timed < to) await pushTimed(timed, dueAtOf(timed));
        at = timed + 1;
      }
    });
    await producer.flush();
  };
  await Promise.all([write(), readAll()]);
  return { acknowledged: acknowledged.latencies, read: read.latencies };

  async function pushTimed(number: number, dueMs: number): Promise<void> {
    const { ack } = await producer.push({ value: values.at(number) });
    // A loss shows in `flush`.
    ack.then(
      () => acknowledged.add(performance.now() - dueMs),
      () => {},
    );
  }

  function* numbered(from: number, to: number): Generator<{ value: Uint8Array }> {
    for (let number = from; number < to; number += 1) yield { value: values.at(number) };
  }

  async function readAll(): Promise<void> {
    const check = new ValueCheck(valueBytes);
    for await (const { partition, value } of consumer) {
      const number = check.take(partition, value);
      if (number >= warmUp) read.add(performance.now() - dueAt(number));
      if (check.records === records) break;
    }
    const { numbers } = sumWritten([records]);
    if (check.numbers !== numbers) throw new Error('the records that were read are not those that were written');
  }
}
