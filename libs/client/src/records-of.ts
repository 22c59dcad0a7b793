import type { Codec } from './codec.ts';
import type { Fetched } from './fetch-source.ts';

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

/** Decodes what was fetched. */
export function recordsOf<K, V>({ source, records }: Fetched, key: Codec<K>, value: Codec<V>): ConsumedRecord<K, V>[] {
  return records.map((record) => ({
    topic: source.topic,
    partition: source.partition,
    offset: record.offset,
    timestampMs: record.timestampMs,
    key: record.key === null ? null : key.decode(record.key),
    value: record.value === null ? null : value.decode(record.value),
    headers: record.headers,
  }));
}
