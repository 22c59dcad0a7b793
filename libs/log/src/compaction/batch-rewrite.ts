import { BatchEdit, type BatchHeader, batchBits, compress, compressionOf, headerBytes } from '@moldau/records';
import { varintBytes, writeVarint } from '@moldau/records/varint';
import type { Pace } from './pace.ts';
import { RecordWalk } from './record-walk.ts';

/** By how much a record can grow when its time is counted from elsewhere. */
const growthBytesMax = 16;
const recordsBetweenPauses = 1_024;

/** What is to be left of a batch. */
export interface Rewriting {
  readonly batch: Uint8Array;
  readonly header: BatchHeader;
  readonly unfolded: Uint8Array;
  /** How many records `keeps` lets pass. */
  readonly keptRecords: number;
  keeps(record: RecordWalk): boolean;
  /** The latest time of them. */
  readonly maxTimestamp: number;
  /** When its tombstones may go, if that is to be written into it. */
  readonly deleteHorizonMs: number | undefined;
}

/** The batch with fewer records: in their order, at their offsets, compressed as they were. */
export async function rewriteBatch(rewriting: Rewriting, pace: Pace): Promise<Uint8Array> {
  const { batch, header, keptRecords, deleteHorizonMs } = rewriting;
  const compression = compressionOf(header.compressionCode) ?? 'none';
  const records = compress(compression, await keptBytes(rewriting, pace));
  const bytes = new Uint8Array(headerBytes + records.length);
  bytes.set(batch.subarray(0, headerBytes));
  bytes.set(records, headerBytes);
  const edit = new BatchEdit(bytes);
  edit.maxTimestamp = BigInt(rewriting.maxTimestamp);
  edit.recordsCount = keptRecords;
  if (deleteHorizonMs !== undefined) {
    edit.attributes |= batchBits.deleteHorizon;
    edit.baseTimestamp = BigInt(deleteHorizonMs);
  }
  edit.seal();
  return bytes;
}

async function keptBytes(rewriting: Rewriting, pace: Pace): Promise<Uint8Array> {
  const { header, unfolded, keptRecords, deleteHorizonMs } = rewriting;
  const shiftMs = deleteHorizonMs === undefined ? 0 : header.baseTimestamp - deleteHorizonMs;
  const growthBytes = shiftMs === 0 ? 0 : keptRecords * growthBytesMax;
  const target = new Uint8Array(unfolded.length + growthBytes);
  const record = new RecordWalk(unfolded, header.recordsCount, header.lastOffsetDelta);
  let end = 0;
  for (let count = 1; record.advance(); count += 1) {
    if (count % recordsBetweenPauses === 0) await pace.breathe();
    if (rewriting.keeps(record))
      end = shiftMs === 0 ? copy(record, target, end) : copyShifted(record, shiftMs, target, end);
  }
  return target.subarray(0, end);
}

function copy(record: RecordWalk, target: Uint8Array, at: number): number {
  target.set(record.bytes.subarray(record.start, record.end), at);
  return at + record.end - record.start;
}

/** The record with its time counted from elsewhere. */
function copyShifted(record: RecordWalk, shiftMs: number, target: Uint8Array, at: number): number {
  const timestampDelta = record.timestampDelta + shiftMs;
  const rest = record.bytes.subarray(record.restAt, record.end);
  let position = writeVarint(target, at, 1 + varintBytes(timestampDelta) + rest.length);
  target[position] = record.attributes;
  position = writeVarint(target, position + 1, timestampDelta);
  target.set(rest, position);
  return position + rest.length;
}
