import type { Codec } from './codec.ts';
import type { Fetched } from './fetch-source.ts';
import { recordsIn } from './fetched-batches.ts';

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
  const { topic, partition } = fetched.source;
  for (const record of recordsIn(fetched)) {
    yield {
      topic,
      partition,
      offset: record.offset,
      timestampMs: record.timestampMs,
      key: record.key === null ? null : key.decode(record.key),
      value: record.value === null ? null : value.decode(record.value),
      headers: record.headers,
    };
  }
}
