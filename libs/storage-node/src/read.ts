import type { MessageInitShape } from '@bufbuild/protobuf';
import { assert, faults, hasReason, type Offset } from '@moldau/kernel';
import type { LogSlice } from '@moldau/log';
import { ReadFormat, type ReadRequest, type ReadResponseSchema } from '@moldau/proto/moldau/log/v1/log_pb';
import type { CallContext } from '@moldau/rpc';
import type { Partition } from './partition.ts';
import type { Partitions } from './partitions.ts';
import { resolvePosition, startOf } from './positions.ts';
import { batchParts, clipped, recordParts } from './read-parts.ts';
import { requireReadable } from './readable.ts';

type Response = MessageInitShape<typeof ReadResponseSchema>;

const readBytes = 256 * 1024;

/** Serves `LogService.Read`: from a position to another, a count, or for ever. */
export async function* read(
  request: ReadRequest,
  partitions: Partitions,
  { signal, keeps }: Pick<CallContext, 'signal' | 'keeps'>,
): AsyncGenerator<Response> {
  const partition = partitions.find(request, request.partition);
  const mayGoOn = (): void => requireReadable(partition, request.anyReplica);
  mayGoOn();
  let next = await startOf(partition, request.from, request.follow);
  let seen = partition.log.highWatermark;
  const until = await endOf(partition, request);
  let left = request.limit === 0n ? Number.POSITIVE_INFINITY : Number(request.limit);
  while (!signal.aborted && left > 0 && (until === undefined || next < until)) {
    const below = partition.log.highWatermark;
    // A copy that was cut, or began anew, may hold something else where this reader has been.
    if (below < seen) throw faults.notServing(partition.name, 'being cut');
    seen = below;
    if (next >= below) {
      keeps(0);
      await changed(partition, signal);
      mayGoOn();
      continue;
    }
    const slice = await readSome(partition, next, below, signal, mayGoOn);
    if (request.anyReplica) mayGoOn();
    const wanted = min(until, below);
    const parts = request.format === ReadFormat.BATCHES ? batchParts(slice) : recordParts(slice, next, wanted);
    for (const whole of parts) {
      const part = clipped(whole, left);
      assert(part.nextOffset > next, 'a read goes forward');
      next = part.nextOffset;
      left -= part.count;
      const { highWatermark, logStart } = partition.log;
      keeps(slice.sizeBytes + whole.keptBytes);
      yield { ...part.response, highWatermark, logStart, nextOffset: next };
      if (left <= 0) return;
    }
  }
}

/** Where a bounded read ends. `undefined`: never. */
async function endOf(partition: Partition, { until, follow }: ReadRequest): Promise<Offset | undefined> {
  if (until === undefined) return follow ? undefined : partition.log.highWatermark;
  return (await resolvePosition(partition, until, follow)).offset ?? partition.log.highWatermark;
}

async function readSome(
  partition: Partition,
  from: Offset,
  below: Offset,
  signal: AbortSignal,
  mayGoOn: () => void,
): Promise<LogSlice> {
  const limits = { maxBytes: readBytes, below, signal };
  try {
    return await partition.log.read(from, limits);
  } catch (error) {
    if (hasReason(error, 'OFFSET_OUT_OF_RANGE')) {
      throw faults.offsetOutOfRange(from, partition.log.logStart, partition.log.highWatermark);
    }
    // Where there is another copy, this one has just given the lead up, or itself.
    if (hasReason(error, 'CORRUPT_DATA')) mayGoOn();
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

const min = (a: Offset | undefined, b: Offset): Offset => (a !== undefined && a < b ? a : b);
