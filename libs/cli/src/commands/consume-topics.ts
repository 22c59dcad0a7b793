import { codec, type Moldau, type Place } from '@moldau/client';
import { type Binary, bufferBytes, type ConsumeOptions, recordFilter } from '../consuming.ts';
import { usage } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { merged } from '../merged.ts';
import { numberOf, partitionOf } from '../numbers.ts';
import { OutputBuffer } from '../output-buffer.ts';
import { parsePlaceRange } from '../place-range.ts';
import { recordFormatter } from '../record-format.ts';
import { withClient } from '../session.ts';

/** Prints what the topics hold, and what comes. Returns how many records that were. */
export async function consumeTopics(topics: readonly string[], options: ConsumeOptions, io: Io): Promise<number> {
  if (options.pattern !== undefined || options.instanceId !== undefined)
    throw usage('--pattern and --instance-id are for a member of a group: give --group');
  if (topics.length === 0) throw usage('name a topic, or several');
  const limit = options.count === undefined ? Number.POSITIVE_INFINITY : numberOf('--count', options.count, 1);
  const { from, until } = parsePlaceRange(options.offset ?? 'end', Date.now());
  const stop = options.exit === true ? (until ?? 'end') : until;
  const format = recordFormatter(options, io.stdout.isTTY === true);
  const isWanted = recordFilter(options);
  const partitions = options.partition === undefined ? undefined : [partitionOf(options.partition)];
  const place = { from, stop, partitions };
  if (options.offset === undefined && options.quiet !== true) {
    io.stderr.write('reading what comes from now on; -o start reads from the beginning\n');
  }
  const out = new OutputBuffer(io.stdout);
  return await withClient(options, io, async (client) => {
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
    return count;
  });
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
