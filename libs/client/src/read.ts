import { MoldauError } from '@moldau/kernel';
import type { Admin } from './admin.ts';
import type { ClientPorts } from './client-ports.ts';
import { type Codec, orText } from './codec.ts';
import { FetchSource } from './fetch-source.ts';
import { checkPlace, type Place } from './place.ts';
import { type Size, toBytes } from './quantities.ts';
import { Reader } from './reader.ts';
import { type ConsumedRecord, recordsOf } from './records-of.ts';

/** What to read. */
export interface ReadOptions<K, V> {
  /** Default: the start. */
  readonly from?: Place;
  /** Where to stop, looked up once. Default: never. */
  readonly until?: Place;
  /** Default: all. */
  readonly partitions?: readonly number[];
  readonly key?: Codec<K>;
  readonly value?: Codec<V>;
  /** Memory for records that were not asked for yet. Default 16 MiB. */
  readonly buffer?: Size;
  /** Ends the loop. */
  readonly signal?: AbortSignal;
}

/** Reads a topic without a group: its partitions side by side, each in order. */
export async function* readTopic<K, V>(
  topic: string,
  options: ReadOptions<K, V>,
  ports: ClientPorts,
  admin: Admin,
): AsyncGenerator<ConsumedRecord<K, V>> {
  const key = orText(options.key);
  const value = orText(options.value);
  const reader = new Reader(ports, toBytes(options.buffer ?? '16MiB'));
  ports.reading.add(reader);
  try {
    for (const source of await sourcesOf(topic, options, ports, admin)) reader.add(source);
    for (;;) {
      const fetched = await reader.next(options.signal);
      if (fetched === undefined) return;
      yield* recordsOf(fetched, key, value);
    }
  } finally {
    ports.reading.delete(reader);
    reader.close();
  }
}

async function sourcesOf<K, V>(
  topic: string,
  options: ReadOptions<K, V>,
  ports: ClientPorts,
  admin: Admin,
): Promise<FetchSource[]> {
  const { metadata, timeoutMs } = ports;
  const { from = 'start', until } = options;
  checkPlace('from', from);
  if (until !== undefined) checkPlace('until', until);
  const known = await metadata.topic(topic, { autoCreate: false, timeoutMs });
  const partitions = options.partitions ?? known.partitions.map(({ index }) => index);
  const unknown = partitions.find((partition) => known.partitions[partition] === undefined);
  if (unknown !== undefined) {
    throw new MoldauError('UNKNOWN_PARTITION', `topic ${JSON.stringify(topic)} has no partition ${unknown}`, {
      topic,
      partition: unknown,
    });
  }
  if (until === undefined) return partitions.map((partition) => new FetchSource(topic, partition, from, undefined));
  const starts = await admin.listOffsets(topic, from, partitions);
  const ends = await admin.listOffsets(topic, until, partitions);
  const latest = await admin.listOffsets(topic, 'end', partitions);
  return partitions.map((partition, index) => {
    const end = ends[index]?.offset ?? latest[index]?.offset;
    const start = starts[index]?.offset ?? latest[index]?.offset;
    const source = new FetchSource(topic, partition, start === undefined ? from : { offset: start }, end);
    if (start !== undefined) source.skipTo(start);
    return source;
  });
}
