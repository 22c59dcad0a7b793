import type { Millis, Offset } from '@moldau/kernel';
import { BatchBuilder, BatchHeader, type Compression, readRecords } from '@moldau/records';
import type { CompactionTally } from '../../src/compaction/compaction-run.ts';
import { Pace } from '../../src/compaction/pace.ts';
import type { LogSlice, PartitionLog } from '../../src/index.ts';
import { Bench, epoch, headersOf } from './bench.ts';

/** A record as tests write it: a null value is a tombstone. */
export type KeyedRecord = readonly [key: string | null, value: string | null];

export interface KeyedOptions {
  readonly compression?: Compression;
  readonly timestampMs?: Millis;
  readonly producer?: { readonly id: bigint; readonly epoch: number; readonly baseSequence: number };
}

const bytesOf = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text));
const textOf = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());

/** A batch of records with keys. */
export function keyed(records: readonly KeyedRecord[], options: KeyedOptions = {}): Uint8Array {
  const builder = new BatchBuilder();
  for (const [key, value] of records) {
    const headers = [{ name: 'h', value: bytesOf(key) }];
    builder.add({ key: bytesOf(key), value: bytesOf(value), timestampMs: options.timestampMs ?? 1_000, headers });
  }
  return builder.build(options.compression, options.producer);
}

/** A record as it is read: its offset before it. */
export type ReadRecord = readonly [offset: number, key: string | null, value: string | null];

export function recordsOf(slice: LogSlice): ReadRecord[] {
  return slice.chunks.flatMap((chunk) => {
    const records: ReadRecord[] = [];
    for (let at = 0; at < chunk.length; ) {
      const { sizeBytes } = new BatchHeader(chunk, at);
      for (const record of readRecords(chunk.subarray(at, at + sizeBytes))) {
        records.push([Number(record.offset), textOf(record.key), textOf(record.value)]);
      }
      at += sizeBytes;
    }
    return records;
  });
}

/** Everything from `from` on, as a reader gets it. */
export async function readAll(bench: Bench, log: PartitionLog, from: Offset = log.logStart): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  for (let next = from; next < log.writtenEnd; ) {
    const slice = await bench.run(log.read(next, { maxBytes: 2_000, below: log.writtenEnd }));
    records.push(...recordsOf(slice).filter(([at]) => at >= Number(from)));
    next = slice.nextOffset;
  }
  return records;
}

/** The headers of all batches. */
export async function allHeaders(bench: Bench, log: PartitionLog): Promise<BatchHeader[]> {
  const headers: BatchHeader[] = [];
  for (let next = log.logStart; next < log.writtenEnd; ) {
    const slice = await bench.run(log.read(next, { maxBytes: 2_000, below: log.writtenEnd }));
    headers.push(...headersOf(slice));
    next = slice.nextOffset;
  }
  return headers;
}

export const emptyTally = (): CompactionTally => ({
  readBytes: 0,
  removedBytes: 0,
  unkeyedRecords: 0,
  unreadableBatches: 0,
});

export interface CompactOptions {
  readonly nowMs?: Millis;
  /** By a clock that is ahead. Default: there is none. */
  readonly latestMs?: Millis;
  readonly keyMemoryBytes?: number;
  readonly bytesPerSecondMax?: number;
  readonly signal?: AbortSignal;
}

/** Compacts a log, whether that is due or not. */
export async function compact(bench: Bench, log: PartitionLog, options: CompactOptions = {}): Promise<CompactionTally> {
  const {
    nowMs: earliestMs = bench.time.wallMs(),
    latestMs = earliestMs,
    keyMemoryBytes = 1 << 20,
    bytesPerSecondMax = 1 << 30,
  } = options;
  const { signal = new AbortController().signal } = options;
  const tally = emptyTally();
  const pace = new Pace(bench.time, bench.time, bytesPerSecondMax, signal);
  await log.compact({ pace, now: () => ({ earliestMs, latestMs }), keyMemoryBytes, tally, progressed() {} });
  return tally;
}

/** Appends, waits until it is durable, and commits it. */
export async function commit(bench: Bench, log: PartitionLog, ...batches: Uint8Array[]): Promise<void> {
  for (const batch of batches) log.append(batch);
  await bench.settle(log);
  log.advanceHighWatermark(log.durableEnd);
}

/** Ends the active segment, so that all that is committed can be compacted: the next batch begins another one. */
export async function roll(bench: Bench, log: PartitionLog): Promise<void> {
  const { config } = bench;
  log.configure({ ...config, segmentBytes: 1 });
  await commit(bench, log, keyed([['roll', String(log.logEnd)]]));
  log.configure(config);
  // The checkpoint's synced end follows, once the epochs are saved.
  await bench.time.runFor(10);
}

export const hourMs = 3_600_000;

/** A log that is led, of a topic that is compacted, and read from the disk alone. */
export async function compactedLog(segmentBytes = 4_000, seed = 1): Promise<{ bench: Bench; log: PartitionLog }> {
  const bench = new Bench(seed, { tailCacheBytes: 1, maxOpenFiles: seed % 2 === 0 ? 2 : 64 });
  bench.config = { ...bench.config, segmentBytes, compaction: { deleteRetentionMs: 24 * hourMs } };
  const log = await bench.log();
  log.lead(epoch(1));
  return { bench, log };
}
