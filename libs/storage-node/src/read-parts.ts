import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Offset, offset } from '@moldau/kernel';
import type { LogSlice } from '@moldau/log';
import type { ReadResponseSchema } from '@moldau/proto/moldau/log/v1/log_pb';
import { BatchHeader, iterateRecords, type StoredRecord } from '@moldau/records';
import { joined } from './slice-head.ts';
import { wireRecord } from './wire.ts';

/** What goes out in one message of a read. */
export interface ReadPart {
  /** Records in it. Of batches: of whole batches, whatever was asked for. */
  readonly count: number;
  readonly nextOffset: Offset;
  /** What stays in memory, beside the slice, until the next part is asked for. */
  readonly keptBytes: number;
  readonly response: Pick<MessageInitShape<typeof ReadResponseSchema>, 'records' | 'batches'>;
}

/** A message of plain records ends when it holds so much: compressed records may unfold to a hundred times a batch. */
const partBytes = 1024 * 1024;
const recordCostBytes = 64;
/** What a decoded record costs in memory beside its bytes. */
const decodedRecordBytes = 512;
/** What a node unfolds of one batch for one reader of plain records. Readers of batches unfold as much as they like. */
const unfoldedBytesMax = 24 * 1024 * 1024;

/** A slice as it is. */
export function* batchParts({ chunks, nextOffset }: LogSlice): Generator<ReadPart> {
  const bytes = joined(chunks);
  let count = 0;
  for (const header of headersOf(bytes)) if (!header.isControl) count += header.recordsCount;
  yield { count, nextOffset, keptBytes: bytes === chunks[0] ? 0 : bytes.length, response: { batches: bytes } };
}

/** The records of a slice from `from`, below `below`, in messages of bounded size. Throws CORRUPT_BATCH. */
export function* recordParts(slice: LogSlice, from: Offset, below: Offset): Generator<ReadPart> {
  let records: StoredRecord[] = [];
  let bytes = 0;
  let next = from;
  for (const record of recordsOf(slice)) {
    if (record.offset < from || record.offset >= below) continue;
    records.push(record);
    bytes += recordCostBytes + (record.key?.length ?? 0) + (record.value?.length ?? 0);
    if (bytes < partBytes) continue;
    next = offset(record.offset + 1n);
    yield part(slice, records, next);
    records = [];
    bytes = 0;
  }
  const end = slice.nextOffset < below ? slice.nextOffset : below;
  // Nothing is left, and nothing was passed over, when the last record filled a message.
  if (records.length > 0 || end > next) yield part(slice, records, end);
}

/** At most `limit` records of a part. */
export function clipped(whole: ReadPart, limit: number): ReadPart {
  const { records } = whole.response;
  if (records === undefined || records.length <= limit) return whole;
  const kept = records.slice(0, limit);
  return { ...whole, count: limit, nextOffset: offset((kept.at(-1)?.offset ?? 0n) + 1n), response: { records: kept } };
}

const part = (slice: LogSlice, records: readonly StoredRecord[], nextOffset: Offset): ReadPart => ({
  count: records.length,
  nextOffset,
  keptBytes: unfoldedBytes(slice, records.at(-1)) + records.length * decodedRecordBytes,
  response: { records: records.map(wireRecord) },
});

/** What a batch was unfolded to: its records are views of that, or of the slice where it was not compressed. */
function unfoldedBytes({ chunks }: LogSlice, record: StoredRecord | undefined): number {
  const view = record?.value ?? record?.key;
  if (view == null || chunks.some(({ buffer }) => buffer === view.buffer)) return 0;
  return view.buffer.byteLength;
}

function* recordsOf({ chunks }: LogSlice): Generator<StoredRecord> {
  for (const chunk of chunks) {
    let at = 0;
    for (const header of headersOf(chunk)) {
      if (!header.isControl) yield* iterateRecords(chunk.subarray(at, at + header.sizeBytes), unfoldedBytesMax);
      at += header.sizeBytes;
    }
  }
}

function* headersOf(bytes: Uint8Array): Generator<BatchHeader> {
  for (let at = 0; at < bytes.length; ) {
    const header = new BatchHeader(bytes, at);
    yield header;
    at += header.sizeBytes;
  }
}
