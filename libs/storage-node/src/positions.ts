import { faults, type Offset, offset } from '@moldau/kernel';
import type { Position } from '@moldau/proto/moldau/log/v1/record_pb';
import type { Partition } from './partition.ts';
import { offsetFrom } from './wire.ts';

/** A place in a partition, found. */
export interface Resolved {
  /** `undefined`: a timestamp behind every committed record. */
  readonly offset: Offset | undefined;
  /** The timestamp of the record there, where a timestamp was asked for. */
  readonly timestampMs?: number;
}

/**
 * Finds the offset of a position: between the log start and the high watermark. Waits until the leader knows what is committed
 * (KIP-207): a new one may not have heard of what was acknowledged last. Throws OFFSET_OUT_OF_RANGE.
 */
export async function resolvePosition(partition: Partition, position: Position | undefined): Promise<Resolved> {
  const { log } = partition;
  await partition.committedKnown();
  const at = position?.at;
  switch (at?.case) {
    case undefined:
    case 'earliest':
      return { offset: log.logStart };
    case 'latest':
      return { offset: log.highWatermark };
    case 'offset':
      return { offset: requireInside(partition, at.value) };
    case 'beforeLatest': {
      const back = log.highWatermark - at.value;
      return { offset: back < log.logStart ? log.logStart : offset(back) };
    }
    case 'timestampMs': {
      const found = await log.offsetForTimestamp(Number(at.value));
      return found === undefined || found.offset >= log.highWatermark ? { offset: undefined } : found;
    }
  }
}

/** Where a reader begins: a timestamp behind everything means the end. */
export async function startOf(partition: Partition, position: Position | undefined): Promise<Offset> {
  return (await resolvePosition(partition, position)).offset ?? partition.log.highWatermark;
}

function requireInside({ log }: Partition, asked: bigint): Offset {
  const found = offsetFrom('offset', asked);
  if (found < log.logStart || found > log.logEnd) throw faults.offsetOutOfRange(asked, log.logStart, log.highWatermark);
  return found;
}
