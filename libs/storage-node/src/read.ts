import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults, hasReason, type Offset, offset } from '@moldau/kernel';
import type { LogSlice } from '@moldau/log';
import { ReadFormat, type ReadRequest, type ReadResponseSchema } from '@moldau/proto/moldau/log/v1/log_pb';
import { BatchHeader, readRecords } from '@moldau/records';
import type { Partition } from './partition.ts';
import type { Partitions } from './partitions.ts';
import { resolvePosition, startOf } from './positions.ts';
import { wireRecord } from './wire.ts';

type Response = MessageInitShape<typeof ReadResponseSchema>;

const readBytes = 256 * 1024;

/** Serves `LogService.Read`: from a position to another, a count, or for ever. */
export async function* read(
  request: ReadRequest,
  partitions: Partitions,
  signal: AbortSignal,
): AsyncGenerator<Response> {
  const partition = partitions.byName(request.topic, request.partition);
  partition.requireLeader();
  let next = await startOf(partition, request.from);
  const until = await endOf(partition, request);
  let left = request.limit === 0n ? undefined : Number(request.limit);
  while (!signal.aborted) {
    const below = min(until, partition.log.highWatermark);
    if (until !== undefined && next >= until) return;
    if (next >= below) {
      await changed(partition, signal);
      partition.requireLeader();
      continue;
    }
    const slice = await readSome(partition, next, below, signal);
    const part = request.format === ReadFormat.BATCHES ? batches(slice) : records(slice, next, below, left);
    next = part.nextOffset;
    if (left !== undefined) left -= part.count;
    const { highWatermark, logStart } = partition.log;
    yield { ...part.response, highWatermark, logStart, nextOffset: min(until, next) };
    if (left !== undefined && left <= 0) return;
  }
}

/** Where a bounded read ends. `undefined`: never. */
async function endOf(partition: Partition, { until, follow }: ReadRequest): Promise<Offset | undefined> {
  if (until === undefined) return follow ? undefined : partition.log.highWatermark;
  return (await resolvePosition(partition, until)).offset ?? partition.log.highWatermark;
}

async function readSome(partition: Partition, from: Offset, below: Offset, signal: AbortSignal): Promise<LogSlice> {
  const limits = { maxBytes: readBytes, below };
  try {
    return partition.log.readTail(from, limits) ?? (await partition.log.read(from, { ...limits, signal }));
  } catch (error) {
    if (hasReason(error, 'OFFSET_OUT_OF_RANGE')) {
      throw faults.offsetOutOfRange(from, partition.log.logStart, partition.log.highWatermark);
    }
    throw error;
  }
}

/** Resolves when the high watermark has moved, the role has changed, or the call is over. */
function changed(partition: Partition, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      unwatch();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const unwatch = partition.watch(done);
    signal.addEventListener('abort', done, { once: true });
  });
}

interface Part {
  readonly count: number;
  readonly nextOffset: Offset;
  readonly response: Pick<Response, 'records' | 'batches'>;
}

function batches({ chunks, nextOffset }: LogSlice): Part {
  const bytes = Buffer.concat(chunks);
  let count = 0;
  for (let at = 0; at < bytes.length; ) {
    const header = new BatchHeader(bytes, at);
    count += header.recordsCount;
    at += header.sizeBytes;
  }
  return { count, nextOffset, response: { batches: bytes } };
}

function records({ chunks, nextOffset }: LogSlice, from: Offset, below: Offset, limit: number | undefined): Part {
  const found = [];
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const header = new BatchHeader(chunk, at);
      const batch = chunk.subarray(at, at + header.sizeBytes);
      at += header.sizeBytes;
      if (header.isControl) continue;
      for (const record of readRecords(batch)) {
        if (record.offset < from || record.offset >= below) continue;
        found.push(wireRecord(record));
        if (found.length !== limit) continue;
        return { count: limit, nextOffset: offset(record.offset + 1n), response: { records: found } };
      }
    }
  }
  return { count: found.length, nextOffset, response: { records: found } };
}

const min = (a: Offset | undefined, b: Offset): Offset => (a !== undefined && a < b ? a : b);
