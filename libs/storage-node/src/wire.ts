import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults, hasReason, type Offset, offset } from '@moldau/kernel';
import { Acks, type RecordSchema, type Record as WireRecord } from '@moldau/proto/moldau/log/v1/record_pb';
import type { NewRecord, StoredRecord } from '@moldau/records';

// Between the contract's messages and what the rooms below understand. Nothing else here knows both.

/** A record of an unary append; `nowMs` stands in for a missing timestamp. */
export const newRecord = ({ key, value, headers, timestampMs }: WireRecord, nowMs: number): NewRecord => ({
  key: key ?? null,
  value: value ?? null,
  headers: headers.map((header) => ({ name: header.name, value: header.value ?? null })),
  timestampMs: timestampMs === undefined ? nowMs : timestampFrom(timestampMs),
});

/** What a record can hold: differences of two must fit 53 bits. */
const maxTimestampMs = 2n ** 51n;

function timestampFrom(value: bigint): number {
  if (value >= 0n && value <= maxTimestampMs) return Number(value);
  throw faults.invalidRequest('timestamp_ms', `is ${value}: milliseconds since 1970, from 0 to ${maxTimestampMs}`);
}

/** A record as `Read` gives it. */
export const wireRecord = (record: StoredRecord): MessageInitShape<typeof RecordSchema> => ({
  ...(record.key !== null && { key: record.key }),
  ...(record.value !== null && { value: record.value }),
  headers: record.headers.map(({ name, value }) => ({ name, ...(value !== null && { value }) })),
  timestampMs: BigInt(record.timestampMs),
  offset: record.offset,
});

/** The `leader` field of a frame that answers this error, where it names one. */
export function leaderOf(error: unknown): { leader?: number } {
  if (!hasReason(error, 'NOT_LEADER') || typeof error.fields.leader !== 'number') return {};
  return { leader: error.fields.leader };
}

/** An offset that a client or a peer sent. Throws INVALID_REQUEST. */
export function offsetFrom(field: string, value: bigint): Offset {
  if (value < 0n) throw faults.invalidRequest(field, `is ${value}: offsets begin with 0`);
  return offset(value);
}

/** A fencing token that a client sent. Throws INVALID_REQUEST. */
export function tokenFrom(token: bigint | undefined): { readonly fencingToken?: bigint } {
  if (token === undefined) return {};
  if (token < 0n) throw faults.invalidRequest('fencing_token', `is ${token}: tokens begin with 0`);
  return { fencingToken: token };
}

/** When an append is answered. Throws INVALID_REQUEST on what is not known here: it may ask for more than is given. */
export function acksFrom(acks: Acks): 'all' | 'leader' {
  if (acks === Acks.LEADER) return 'leader';
  if (acks === Acks.ALL || acks === Acks.UNSPECIFIED) return 'all';
  throw faults.invalidRequest('acks', `is ${acks}: ALL or LEADER`);
}
