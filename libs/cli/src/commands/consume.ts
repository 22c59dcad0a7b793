import { type ConsumedRecord, codec } from '@moldau/client';
import { usage } from '../exit-code.ts';
import { clientOf, type GlobalOptions } from '../global-options.ts';
import { type Io, write } from '../io.ts';
import { parsePlaceRange } from '../place-range.ts';
import { recordFormatter } from '../record-format.ts';

/** Flags of `moldau consume`. */
export interface ConsumeOptions extends GlobalOptions {
  readonly offset?: string;
  readonly count?: string;
  readonly exit?: boolean;
  readonly format?: string;
  readonly json?: boolean;
  readonly partition?: string;
  readonly key?: string;
  readonly grep?: string;
}

type Bytes = Uint8Array<ArrayBufferLike>;

/** Prints the records of a topic. */
export async function consume(topics: readonly string[], options: ConsumeOptions, io: Io): Promise<void> {
  const [topic, ...others] = topics;
  if (topic === undefined || others.length > 0) throw usage('name one topic');
  const nowMs = Date.now();
  const { from, until } = parsePlaceRange(options.offset ?? 'end', nowMs);
  const limit = options.count === undefined ? Number.POSITIVE_INFINITY : Number(options.count);
  const format = recordFormatter(options, io.stdout.isTTY === true);
  const isWanted = filterOf(options);
  if (options.offset === undefined && options.quiet !== true) {
    io.stderr.write('reading what comes from now on; -o start reads from the beginning\n');
  }
  const client = clientOf(options);
  const stop = options.exit === true ? (until ?? 'end') : until;
  const records = client.read(topic, {
    from,
    key: codec.bytes,
    value: codec.bytes,
    signal: io.interrupted,
    ...(stop !== undefined && { until: stop }),
    ...(options.partition !== undefined && { partitions: [Number(options.partition)] }),
  });
  try {
    let count = 0;
    if (limit <= 0) return;
    for await (const record of records) {
      if (!isWanted(record)) continue;
      await write(io.stdout, format(record));
      count += 1;
      if (count >= limit || io.stdout.destroyed) break;
    }
  } finally {
    await client.close();
  }
}

function filterOf({ key, grep }: ConsumeOptions): (record: ConsumedRecord<Bytes, Bytes>) => boolean {
  const pattern = grep === undefined ? undefined : new RegExp(grep);
  return (record) => {
    if (key !== undefined && (record.key === null || Buffer.from(record.key).toString() !== key)) return false;
    return pattern === undefined || (record.value !== null && pattern.test(Buffer.from(record.value).toString()));
  };
}
