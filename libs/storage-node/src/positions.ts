import { faults, MoldauError, type Offset, offset } from '@moldau/kernel';
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
 * (KIP-207): a new one may not have heard of what was acknowledged last. Throws OFFSET_OUT_OF_RANGE; on a follower, of what
 * lies above its high watermark, OFFSET_NOT_AVAILABLE unless the caller `waits` for it.
 */
export async function resolvePosition(
  partition: Partition,
  position: Position | undefined,
  waits = true,
): Promise<Resolved> {
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
      return { offset: requireInside(partition, at.value, waits) };
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
export async function startOf(partition: Partition, position: Position | undefined, waits = true): Promise<Offset> {
  return (await resolvePosition(partition, position, waits)).offset ?? partition.log.highWatermark;
}

function requireInside({ name, log, role }: Partition, asked: bigint, waits: boolean): Offset {
  const found = offsetFrom('offset', asked);
  const isLeader = role.kind === 'leader';
  if (found < log.logStart || (isLeader && found > log.logEnd)) {
    throw faults.offsetOutOfRange(asked, log.logStart, log.highWatermark);
  }
  // What a follower has not heard of may be there all the same.
  if (!isLeader && found > log.highWatermark && !waits) throw notYet(name, found, log.highWatermark);
  return found;
}

const notYet = (partition: string, asked: Offset, highWatermark: Offset): MoldauError =>
  new MoldauError(
    'OFFSET_NOT_AVAILABLE',
    `this copy of ${partition} is known to be committed up to ${highWatermark}, not ${asked}: retry, or ask the leader`,
    { offset: asked, high_watermark: highWatermark },
  );
