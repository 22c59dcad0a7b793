import { codec, type Moldau } from '@moldau/client';
import { ValueCheck } from './numbered-values.ts';
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

/** Reads from the start of a topic. Throws unless what came is what was written: of raw batches, by their offsets alone. */
export async function consumeLoad(client: Moldau, load: ConsumeLoad, progress: Progress): Promise<LoadReport> {
  const { topic, partitions, records } = load;
  await using consumer = client.consumer({
    ...(partitions === undefined
      ? { topics: [topic] }
      : { assignment: partitions.map((partition) => ({ topic, partition })) }),
    from: 'start',
    key: codec.bytes,
    value: codec.bytes,
  });
  const watch = new ProcessWatch();
  const startedAtMs = epochMs();
  await readers[load.mode](consumer, load, progress);
  const latencies = new LatencyCollector().latencies;
  return { ...watch.stop(), records, startedAtMs, endedAtMs: epochMs(), latencies };
}

type Consumer = ReturnType<typeof client>;
const client = (moldau: Moldau) => moldau.consumer({ key: codec.bytes, value: codec.bytes });

const readers: Readonly<
  Record<ConsumeMode, (consumer: Consumer, load: ConsumeLoad, progress: Progress) => Promise<void>>
> = {
  async records(consumer, { records, valueBytes }, progress) {
    const check = new ValueCheck(valueBytes);
    for await (const { partition, value } of consumer) {
      check.take(partition, value);
      progress.records = check.count;
      if (check.count >= records) break;
    }
    check.finish(records);
  },
  async batches(consumer, { records, valueBytes }, progress) {
    const check = new ValueCheck(valueBytes);
    for await (const batch of consumer.batches()) {
      for (const { partition, value } of batch.records) check.take(partition, value);
      progress.records = check.count;
      if (check.count >= records) break;
    }
    check.finish(records);
  },
  async raw(consumer, { records }, progress) {
    const next = new Map<number, bigint>();
    for await (const { partition, baseOffset, nextOffset } of consumer.rawBatches()) {
      const expected = next.get(partition) ?? 0n;
      if (baseOffset !== expected) throw new Error(`partition ${partition}: offset ${baseOffset} behind ${expected}`);
      next.set(partition, nextOffset);
      progress.records += Number(nextOffset - baseOffset);
      if (progress.records >= records) break;
    }
    if (progress.records !== records) throw new Error(`${progress.records} of ${records} records were read`);
  },
};
