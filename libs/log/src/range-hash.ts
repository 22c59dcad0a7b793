import { faults, type Offset } from '@moldau/kernel';
import { BatchHeader } from '@moldau/records';
import { isCompacted } from './compaction/empty-batch.ts';
import type { LogSlice } from './log-slice.ts';
import type { LogState } from './log-state.ts';
import type { PartitionReader } from './partition-reader.ts';

const readBytes = 512 * 1024;
const seed = 0xcbf29ce484222325n;
const prime = 0x9e3779b97f4a7c15n;

/** What a range of a log holds, so that two copies can be compared: equal on both when they hold the same batches. */
export interface RangeHash {
  /** The offset behind the last batch that was taken in. */
  readonly end: Offset;
  readonly hash: string;
  /** Compaction has changed some of them: another copy may hold others, and be as right. */
  readonly compacted: boolean;
}

/**
 * Hashes the whole batches in [from, to) as the disk gives them, each with its CRC checked. Into the hash goes what two copies
 * must agree in: offset, size, epoch and CRC of each batch; segment boundaries don't. It reads a piece at a time, and takes
 * its turn with other readers for each.
 */
export async function hashRange(
  state: LogState,
  reader: PartitionReader,
  from: Offset,
  to: Offset,
  signal: AbortSignal | undefined,
): Promise<RangeHash> {
  const before = state.truncations;
  let hash = seed;
  let compacted = false;
  let end = from;
  for (;;) {
    const slice = await reader.read(end, { maxBytes: readBytes, below: to }, signal);
    // What was read before may mean other records by now.
    if (before !== state.truncations) throw faults.notServing(state.name, 'being cut');
    if (slice.sizeBytes === 0) return { end, hash: hash.toString(16).padStart(16, '0'), compacted };
    hash = takeSlice(hash, slice, from);
    compacted ||= headersOf(slice).some(isCompacted);
    end = slice.nextOffset;
  }
}

function takeSlice(hash: bigint, slice: LogSlice, from: Offset): bigint {
  let taken = hash;
  for (const header of headersOf(slice)) {
    // The batch that `from` divides belongs to the range before.
    if (header.baseOffset < from) continue;
    taken = mix(taken, header.baseOffset);
    taken = mix(taken, (BigInt(header.leaderEpoch) << 32n) | BigInt(header.sizeBytes));
    taken = mix(taken, BigInt(header.crc));
  }
  return taken;
}

function* headersOf({ chunks }: LogSlice): Generator<BatchHeader> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const header = new BatchHeader(chunk, at);
      yield header;
      at += header.sizeBytes;
    }
  }
}

/** One step of a 64-bit multiply-and-shift hash: each word reaches all bits of the next. */
function mix(hash: bigint, word: bigint): bigint {
  const product = BigInt.asUintN(64, (hash ^ word) * prime);
  return product ^ (product >> 32n);
}
