import {
  type ConsumedRecord,
  codec,
  type GroupBatch,
  type GroupConsumer,
  type Moldau,
  type Place,
} from '@moldau/client';
import { usage } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { merged } from '../merged.ts';
import { numberOf, partitionOf } from '../numbers.ts';
import { OutputBuffer } from '../output-buffer.ts';
import { parsePlaceRange } from '../place-range.ts';
import { recordFormatter } from '../record-format.ts';
import { withClient } from '../session.ts';
import type { GlobalOptions } from '../settings.ts';

/** Flags of `moldau consume`. */
export interface ConsumeOptions extends GlobalOptions {
  readonly offset?: string;
  readonly count?: string;
  readonly exit?: boolean;
  readonly format?: string;
  readonly json?: boolean;
  readonly partition?: string;
  readonly group?: string;
  readonly key?: string;
  readonly grep?: string;
}

type Binary = ConsumedRecord<Uint8Array, Uint8Array>;

/** Memory for records that were fetched and not printed yet, of all topics together. */
const bufferBytes = 4 * 1024 * 1024;

/** Prints the records of one or several topics. */
export async function consume(topics: readonly string[], options: ConsumeOptions, io: Io): Promise<void> {
  if (options.group !== undefined) return await consumeInGroup(topics, { ...options, group: options.group }, io);
  const limit = options.count === undefined ? Number.POSITIVE_INFINITY : numberOf('--count', options.count, 1);
  const { from, until } = parsePlaceRange(options.offset ?? 'end', Date.now());
  const stop = options.exit === true ? (until ?? 'end') : until;
  const format = recordFormatter(options, io.stdout.isTTY === true);
  const isWanted = filterOf(options);
  const partitions = options.partition === undefined ? undefined : [partitionOf(options.partition)];
  const place = { from, stop, partitions };
  if (options.offset === undefined && options.quiet !== true) {
    io.stderr.write('reading what comes from now on; -o start reads from the beginning\n');
  }
  const out = new OutputBuffer(io.stdout);
  await withClient(options, io, async (client) => {
    let count = 0;
    try {
      for await (const record of recordsOf(client, topics, place, io.interrupted)) {
        if (!isWanted(record)) continue;
        await out.add(format(record));
        count += 1;
        if (count >= limit || out.isClosed) break;
      }
    } catch (error) {
      if (!io.interrupted.aborted) throw error;
    } finally {
      await out.flush();
    }
    if (io.interrupted.aborted) sayCount(count, topics, options, io);
  });
}

function sayCount(count: number, topics: readonly string[], { quiet }: GlobalOptions, io: Io): void {
  if (quiet !== true) io.stderr.write(`${count} record${count === 1 ? '' : 's'} read from ${topics.join(', ')}\n`);
}

const lookEveryMs = 50;
const batchMax = 500;

/** As a member of a group: what was printed is committed. */
async function consumeInGroup(
  topics: readonly string[],
  options: ConsumeOptions & { readonly group: string },
  io: Io,
): Promise<void> {
  if (options.partition !== undefined)
    throw usage('--partition and --group do not go together: a group shares its partitions itself');
  const limit = options.count === undefined ? Number.POSITIVE_INFINITY : numberOf('--count', options.count, 1);
  const { from, until } = parsePlaceRange(options.offset ?? 'start', Date.now());
  if (until !== undefined) throw usage('--offset with a group is where it begins: a range has an end, use -e');
  const format = recordFormatter(options, io.stdout.isTTY === true);
  const isWanted = filterOf(options);
  const out = new OutputBuffer(io.stdout);
  await withClient(options, io, async (client) => {
    // A member waits for its topics; a slip of the pen would wait for ever.
    for (const topic of topics) await client.admin.describeTopic(topic);
    const { group } = options;
    const binary = { key: codec.bytes, value: codec.bytes, buffer: bufferBytes };
    const consumer = client.consumer({ group, topics, from, commit: 'manual', ...binary });
    const close = (): void => void consumer.close().catch(() => {});
    io.interrupted.addEventListener('abort', close, { once: true });
    const atEnd = setInterval(() => {
      if (options.exit === true && consumer.isAtEnd) close();
    }, lookEveryMs);
    let count = 0;
    try {
      const maxRecords = (): number => Math.min(batchMax, limit - count);
      for await (const batch of handfuls(consumer, maxRecords)) {
        for (const record of batch.records) {
          if (!isWanted(record)) continue;
          await out.add(format(record));
          count += 1;
        }
        await out.flush();
        // What nobody took is for the next one.
        if (out.isClosed) break;
        await batch.commit();
        if (count >= limit) break;
      }
    } finally {
      clearInterval(atEnd);
      io.interrupted.removeEventListener('abort', close);
      await consumer.close();
      await out.flush();
    }
    if (io.interrupted.aborted) sayCount(count, topics, options, io);
  });
}

/** Batches, each of as many records as are wanted then at most. */
async function* handfuls(
  consumer: GroupConsumer<Uint8Array, Uint8Array>,
  maxRecords: () => number,
): AsyncGenerator<GroupBatch<Uint8Array, Uint8Array>> {
  for (;;) {
    let isEmpty = true;
    for await (const batch of consumer.batches({ maxRecords: maxRecords(), maxWait: lookEveryMs })) {
      isEmpty = false;
      yield batch;
      break;
    }
    if (isEmpty) return;
  }
}

interface Where {
  readonly from: Place;
  readonly stop: Place | undefined;
  readonly partitions: readonly number[] | undefined;
}

function recordsOf(
  client: Moldau,
  topics: readonly string[],
  { from, stop, partitions }: Where,
  interrupted: AbortSignal,
): AsyncGenerator<Binary> {
  const left = new AbortController();
  const signal = AbortSignal.any([interrupted, left.signal]);
  const sources = [...new Set(topics)].map((topic) =>
    client.read(topic, {
      from,
      key: codec.bytes,
      value: codec.bytes,
      signal,
      buffer: Math.ceil(bufferBytes / topics.length),
      ...(stop !== undefined && { until: stop }),
      ...(partitions !== undefined && { partitions }),
    }),
  );
  const [only] = sources;
  return only !== undefined && sources.length === 1 ? only : merged(sources, () => left.abort());
}

function filterOf({ key, grep }: ConsumeOptions): (record: Binary) => boolean {
  const pattern = grep === undefined ? undefined : patternOf(grep);
  const wantedKey = key === undefined ? undefined : Buffer.from(key);
  return (record) => {
    if (wantedKey !== undefined && (record.key === null || !wantedKey.equals(record.key))) return false;
    return pattern === undefined || (record.value !== null && pattern.test(Buffer.from(record.value).toString()));
  };
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, 'u');
  } catch (error) {
    throw usage(`--grep ${error instanceof Error ? error.message : String(error)}`);
  }
}
