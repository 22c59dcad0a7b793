import type { StoredRecord } from '@moldau/records';
import type { Codec } from './codec.ts';
import type { Fetched, FetchSource } from './fetch-source.ts';
import { FetchedRecords } from './fetched-batches.ts';

/** A record that was read. */
export interface ConsumedRecord<K, V> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
  readonly key: K | null;
  /** null: a tombstone. */
  readonly value: V | null;
  readonly headers: readonly { readonly name: string; readonly value: Uint8Array | null }[];
}

/** Decodes what was fetched, as it is asked for. Throws CORRUPT_BATCH, and what a codec throws. */
export function* recordsOf<K, V>(fetched: Fetched, key: Codec<K>, value: Codec<V>): Generator<ConsumedRecord<K, V>> {
  const records = new FetchedRecords(fetched);
  for (let record = records.next(); record !== undefined; record = records.next())
    yield consumedRecord(fetched.source, record, key, value);
}

/** Decodes one record. Throws what a codec throws. */
export const consumedRecord = <K, V>(
  { topic, partition }: FetchSource,
  record: StoredRecord,
  key: Codec<K>,
  value: Codec<V>,
): ConsumedRecord<K, V> => ({
  topic,
  partition,
  offset: record.offset,
  timestampMs: record.timestampMs,
  key: record.key === null ? null : key.decode(record.key),
  value: record.value === null ? null : value.decode(record.value),
  headers: record.headers,
});
