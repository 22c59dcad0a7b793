import { setTimeout as pause } from 'node:timers/promises';
import { codec, type GroupBatch, type GroupConsumer, type Moldau } from '@moldau/client';
import { bufferBytes, type ConsumeOptions, recordFilter } from '../consuming.ts';
import { ended, exitCode, usage } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { numberOf } from '../numbers.ts';
import { OutputBuffer } from '../output-buffer.ts';
import { parsePlaceRange } from '../place-range.ts';
import { recordFormatter } from '../record-format.ts';
import { withClient } from '../session.ts';

const lookEveryMs = 50;
const lastCommitMs = 2_000;
const batchMax = 500;

/** As a member of a group: what was printed is committed. Returns how many records that were. */
export async function consumeInGroup(
  topics: readonly string[],
  options: ConsumeOptions & { readonly group: string },
  io: Io,
): Promise<number> {
  const { group, pattern, instanceId, partition, count: wanted, offset = 'start' } = options;
  if (partition !== undefined)
    throw usage('--partition and --group do not go together: a group shares its partitions itself');
  if (topics.length === 0 && pattern === undefined) throw usage('name a topic, or several, or a --pattern');
  const limit = wanted === undefined ? Number.POSITIVE_INFINITY : numberOf('--count', wanted, 1);
  const { from, until } = parsePlaceRange(offset, Date.now());
  if (until !== undefined) throw usage('--offset with a group is where it begins: a range has an end, use -e');
  const format = recordFormatter(options, io.stdout.isTTY === true);
  const isWanted = recordFilter(options);
  const out = new OutputBuffer(io.stdout);
  return await withClient(options, io, async (client) => {
    // A member waits for its topics; a slip of the pen would wait for ever.
    for (const topic of topics) await client.admin.describeTopic(topic);
    const consumer = client.consumer({
      ...{ group, topics, from, key: codec.bytes, value: codec.bytes, buffer: bufferBytes, commit: 'manual' as const },
      revokeTimeout: '5s',
      ...(pattern !== undefined && { pattern }),
      ...(instanceId !== undefined && { instanceId }),
    });
    let isClosing = false;
    // Where it began is where the group stands from now on, though nothing may have come.
    const close = async (): Promise<void> => {
      if (isClosing) return;
      isClosing = true;
      // Unless nobody is there to hear it.
      await Promise.race([consumer.commit(), pause(lastCommitMs, undefined, { ref: false })]).catch(() => {});
      await consumer.close().catch(() => {});
    };
    const stop = (): void => void close();
    io.interrupted.addEventListener('abort', stop, { once: true });
    const watch = watchEnd(client, consumer, options, { io, close: stop });
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
      watch.stop();
      io.interrupted.removeEventListener('abort', stop);
      await consumer.close();
      await out.flush();
    }
    if (watch.leftToOthers > 0n) throw ended(exitCode.partly);
    return count;
  });
}

type Member = GroupConsumer<Uint8Array, Uint8Array>;

interface EndWatch {
  stop(): void;
  /** Records that are not read, when the member ends because it has no partition. */
  readonly leftToOthers: bigint;
}

/** Looks whether the member has come to the end, or has nothing to read at all. */
function watchEnd(
  { admin }: Moldau,
  consumer: Member,
  { exit = false, quiet = false }: ConsumeOptions,
  { io, close }: { readonly io: Io; readonly close: () => void },
): EndWatch {
  let looks = 0;
  let hasSaidIdle = false;
  let leftToOthers = 0n;
  const lookForShare = async (): Promise<void> => {
    const { members, positions, epoch, assignmentEpoch } = await admin.describeGroup(consumer.group);
    const me = members.find(({ memberId }) => memberId === consumer.memberId);
    const isIdle = me !== undefined && [me.assigned, me.revoking, me.pending].every((some) => some.length === 0);
    if (!isIdle || assignmentEpoch !== epoch) return;
    const unread = positions.reduce((sum, { lag = 0n }) => sum + lag, 0n);
    if (!hasSaidIdle && !quiet) {
      const hasNone = members.every(({ assigned }) => assigned.length === 0);
      const why = hasNone
        ? `there is no topic yet for group ${consumer.group}`
        : `no partition is left for this one of ${members.length} members of group ${consumer.group}`;
      const ending = unread === 0n ? '' : `, ${unread} records are left to the others`;
      io.stderr.write(`${why}${exit ? ending : ': waiting for one'}\n`);
    }
    hasSaidIdle = true;
    if (!exit) return;
    leftToOthers = unread;
    close();
  };
  const timer = setInterval(() => {
    if (exit && consumer.isAtEnd) return close();
    looks += 1;
    if (looks % looksASecond > 0) return;
    // Where it begins is where the group stands, before anything comes. Whether it is out of reach is for the member to say.
    consumer.commit().catch(() => {});
    if (consumer.assignment.length === 0 && (exit || !hasSaidIdle)) lookForShare().catch(() => {});
  }, lookEveryMs);
  return {
    stop: () => clearInterval(timer),
    get leftToOthers() {
      return leftToOthers;
    },
  };
}

const looksASecond = 1_000 / lookEveryMs;

/** Batches, each of as many records as are wanted then at most. */
async function* handfuls(
  consumer: Member,
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
