import { type Consumer as BytesConsumer, codec, type Moldau } from '@moldau/client';
import { BatchHeader } from '@moldau/records';
import { type ReadSum, ValueCheck } from './numbered-values.ts';
import { LatencyCollector, ProcessWatch } from './process-use.ts';
import { epochMs, type LoadReport, type Progress } from './produce-load.ts';

/** How records are taken: one by one, by the handful, or as the batches in which they are stored, which are not decoded. */
export const consumeModes = ['records', 'batches', 'raw'] as const;
export type ConsumeMode = (typeof consumeModes)[number];

/** What one client is to read. */
export interface ConsumeLoad {
  readonly topic: string;
  /** Absent: all. */
  readonly partitions?: readonly number[] | undefined;
  /** It ends when it has read so many. */
  readonly records: number;
  readonly valueBytes: number;
  readonly mode: ConsumeMode;
}

/** What was read. `numbers`: see {@link ReadSum}; 0 of raw batches, of which the offsets alone are looked at. */
export type ConsumeReport = LoadReport & ReadSum;

/**
 * Reads from the start of a topic; until `signal` is aborted, if it is. Throws when what comes is not what was written, or not
 * in its order, and {@link ForeignValue}.
 */
export async function consumeLoad(
  client: Moldau,
  load: ConsumeLoad,
  progress: Progress,
  signal?: AbortSignal,
): Promise<ConsumeReport> {
  const { topic, partitions, records } = load;
  await using consumer = client.consumer({
    ...(partitions === undefined
      ? { topics: [topic] }
      : { assignment: partitions.map((partition) => ({ topic, partition })) }),
    from: 'start',
    key: codec.bytes,
    value: codec.bytes,
  });
  signal?.addEventListener('abort', () => void consumer.close(), { once: true });
  const watch = new ProcessWatch();
  const startedAtMs = epochMs();
  const numbers = await readers[load.mode](consumer, load, progress);
  const endedAtMs = epochMs();
  if (progress.records !== records && signal?.aborted !== true)
    throw new Error(`${progress.records} of ${records} records were read`);
  const latencies = new LatencyCollector().latencies;
  return { ...watch.stop(), records: progress.records, numbers, startedAtMs, endedAtMs, latencies };
}

type Consumer = BytesConsumer<Uint8Array, Uint8Array>;

const readers: Readonly<
  Record<ConsumeMode, (consumer: Consumer, load: ConsumeLoad, progress: Progress) => Promise<number>>
> = {
  async records(consumer, { records, valueBytes }, progress) {
    const check = new ValueCheck(valueBytes);
    for await (const { partition, value, offset } of consumer) {
      check.take(partition, value, offset);
      progress.records = check.records;
      if (check.records >= records) break;
    }
    return check.numbers;
  },
  async batches(consumer, { records, valueBytes }, progress) {
    const check = new ValueCheck(valueBytes);
    for await (const batch of consumer.batches()) {
      for (const { partition, value, offset } of batch.records) check.take(partition, value, offset);
      progress.records = check.records;
      if (check.records >= records) break;
    }
    return check.numbers;
  },
  async raw(consumer, { records }, progress) {
    const next = new Map<number, bigint>();
    for await (const { partition, bytes } of consumer.rawBatches()) {
      let expected = next.get(partition) ?? 0n;
      for (let at = 0; at < bytes.length; ) {
        const { baseOffset, nextOffset, recordsCount, sizeBytes } = new BatchHeader(bytes, at);
        if (baseOffset !== expected || nextOffset - baseOffset !== BigInt(recordsCount))
          throw new Error(
            `partition ${partition}: ${recordsCount} records from ${baseOffset} on instead of ${expected}`,
          );
        progress.records += recordsCount;
        expected = nextOffset;
        at += sizeBytes;
      }
      next.set(partition, expected);
      if (progress.records >= records) break;
    }
    return 0;
  },
};
