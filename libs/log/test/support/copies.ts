import { assert, leaderEpoch, type Offset, offset } from '@moldau/kernel';
import type { PartitionLog, ReplicaAppend } from '../../src/index.ts';
import type { Bench } from './bench.ts';

/** What a leader pushes from `from` on: at most `maxBytes`, or one batch. Undefined: there is nothing. */
export async function pieceOf(
  bench: Bench,
  leader: PartitionLog,
  from: Offset | number,
  maxBytes = 1 << 20,
): Promise<ReplicaAppend | undefined> {
  const start = offset(from);
  const slice = await bench.run(leader.read(start, { maxBytes, below: leader.writtenEnd }));
  if (slice.sizeBytes === 0) return undefined;
  return {
    from: start,
    previousEpoch: (start > 0n ? leader.epochOf(offset(start - 1n)) : undefined) ?? leaderEpoch(0),
    epochs: leader.epochsWithin(start, slice.nextOffset),
    bytes: new Uint8Array(Buffer.concat(slice.chunks)),
    leaderEpoch: leader.lastEpoch,
    leaderLogStart: leader.logStart,
  };
}

/** Copies everything that the leader has and the copy has not. */
export async function copyAll(source: Bench, leader: PartitionLog, target: Bench, copy: PartitionLog): Promise<void> {
  for (;;) {
    const piece = await pieceOf(source, leader, copy.logEnd, 300);
    if (piece === undefined) break;
    const mismatch = copy.appendReplica(piece);
    assert(mismatch === undefined, `the piece from ${piece.from} did not fit: ${mismatch}`);
  }
  await target.settle(copy);
}

/** All bytes of a log, or those in a range, as they are read. */
export async function bytesOf(
  bench: Bench,
  log: PartitionLog,
  below: Offset = log.logEnd,
  start: Offset = log.logStart,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (let from = start; from < below; ) {
    const slice = await bench.run(log.read(from, { maxBytes: 1 << 20, below }));
    chunks.push(...slice.chunks);
    from = slice.nextOffset;
  }
  return Buffer.concat(chunks);
}
