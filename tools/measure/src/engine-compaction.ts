// A log that is written, read and compacted at the same time, until nothing is left to be compacted.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { hostClock } from '@moldau/host';
import { defaultLogConfig, type PartitionLog } from '@moldau/log';
import { BatchBuilder, BatchHeader, iterateRecords } from '@moldau/records';
import { found, given } from './children.ts';
import type { CompactionResult, CompactionSizes } from './compaction.ts';
import { appendDurably, DurableEnds, makePartitions, openDirectory } from './engine-bench.ts';

const MiB = 2 ** 20;
const perBatch = 100;
const perRound = 50;
const valueBytes = 64;

const { path, records, keys } = given<CompactionSizes & { path: string }>();
const directory = await openDirectory(path, { retentionEveryMs: 500 });
const [log] = await makePartitions(directory, 1);
if (log === undefined) throw new Error('no partition was made');
log.configure({ ...defaultLogConfig, segmentBytes: 32 * MiB, compaction: { deleteRetentionMs: 0 } });
const durable = new DurableEnds();
durable.watch(log);

/** The newest record of each key, as it was written. */
const newest = new Map<string, number>();
let written = 0;
let writtenBytes = 0;

function nextBatch(): Uint8Array {
  const builder = new BatchBuilder(perBatch * (valueBytes + 40));
  for (let i = 0; i < perBatch && written < records; i += 1) {
    // Every key comes equally often, and neighbours are far apart.
    const key = `key-${(written * 7_919) % keys}`;
    newest.set(key, written);
    const value = Buffer.alloc(valueBytes, `${written} `);
    builder.add({ key: Buffer.from(key), value, timestampMs: hostClock.wallMs() });
    written += 1;
  }
  return builder.build();
}

/** Passes the records below `end` to `visit`, from the disk or the cache, as a reader gets them. */
async function read(from: PartitionLog, end: bigint, visit: (key: string, at: bigint, value: string) => void) {
  for (let next = from.logStart; next < end; ) {
    const slice = await from.read(next, { maxBytes: MiB, below: from.highWatermark });
    if (slice.sizeBytes === 0) return;
    for (const chunk of slice.chunks) {
      for (let at = 0; at < chunk.length; ) {
        const { sizeBytes } = new BatchHeader(chunk, at);
        for (const record of iterateRecords(chunk.subarray(at, at + sizeBytes), 64 * MiB)) {
          if (record.offset >= end) break;
          visit(Buffer.from(record.key ?? []).toString(), record.offset, Buffer.from(record.value ?? []).toString());
        }
        at += sizeBytes;
      }
    }
    next = slice.nextOffset;
  }
}

let readRecords = 0;
let ended = false;
const reading = (async (): Promise<void> => {
  while (!ended) {
    let last = -1n;
    await read(log, BigInt(records), (_, at, value) => {
      if (at <= last || !value.startsWith(`${at} `)) throw new Error(`another record stands at ${at}`);
      last = at;
      readRecords += 1;
    });
    await wait(200);
  }
})();

const startedAt = performance.now();
while (written < records) {
  const batches = Array.from({ length: perRound }, nextBatch).filter((batch) => batch.length > 0);
  for (const batch of batches) writtenBytes += batch.length;
  const last = batches.pop();
  if (last === undefined) break;
  for (const batch of batches) log.append(batch);
  await appendDurably(log, last, durable);
  log.advanceHighWatermark(log.durableEnd);
}
const appendRate = (records * 1_000) / (performance.now() - startedAt);
const settlingAt = performance.now();
// What is open now ends, so that all of it can be compacted, and half of it is not new any more.
log.configure({ ...defaultLogConfig, segmentBytes: 1, compaction: { deleteRetentionMs: 0 } });
const end = log.logEnd;
const builder = new BatchBuilder();
builder.add({ key: Buffer.from('end'), value: null, timestampMs: hostClock.wallMs() });
await appendDurably(log, builder.build(), durable);
log.advanceHighWatermark(log.durableEnd);
log.configure({ ...defaultLogConfig, segmentBytes: 32 * MiB, compaction: { deleteRetentionMs: 0 } });
ended = true;
await reading;
// Now nothing else keeps the loop.
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
while (log.compactedEnd < end && log.isCompactionDue(hostClock.wallMs())) await wait(50);
const settledSeconds = (performance.now() - settlingAt) / 1_000;
delay.disable();
const { sizeBytes: leftBytes, compactedEnd } = log;
await directory.close();
// From the disk alone: the cache still has what is gone there.
const reopened = await openDirectory(path);
const [again] = reopened.partitions.values();
if (again === undefined) throw new Error('the partition is gone');
let leftRecords = 0;
await read(again, end, (key, at) => {
  if (at < compactedEnd) leftRecords += 1;
  if (newest.get(key) === Number(at)) newest.delete(key);
});
if (newest.size > 0) throw new Error(`${newest.size} keys have lost their last record`);
await reopened.close();
const result: CompactionResult = {
  writtenBytes,
  leftBytes,
  leftRecords,
  appendRate,
  readRecords,
  settledSeconds,
  loopDelayP99Ms: delay.percentile(99) / 1e6,
  loopDelayMaxMs: delay.max / 1e6,
};
found(result);
