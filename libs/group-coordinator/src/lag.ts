import type { MessageInitShape } from '@bufbuild/protobuf';
import type { StoredOffset } from '@moldau/groups';
import type { Millis, PartitionKey } from '@moldau/kernel';
import type { GroupLagSchema } from '@moldau/proto/moldau/group/v1/group_pb';
import { earliest, type Found, type LogEnds, latest } from './log-ends.ts';
import { fromStored } from './wire.ts';

type Lag = MessageInitShape<typeof GroupLagSchema>;

/** Records that are looked at at one time. */
const looksAtOnce = 16;
/** Partitions whose lag is told in time, too: each takes a read. */
const timedMax = 1_000;

/**
 * How far behind the end each committed position is; where nothing is committed, where the end is. What lies below the log start
 * can't be read, and counts for nothing.
 */
export async function lagOf(
  offsets: ReadonlyMap<PartitionKey, StoredOffset | undefined>,
  ends: LogEnds,
  nowMs: () => Millis,
): Promise<Lag[]> {
  const entries = [...offsets];
  const found = await ends.find(
    entries.flatMap(([partition]) => [
      { partition, place: earliest },
      { partition, place: latest },
    ]),
  );
  const behind: (() => Promise<void>)[] = [];
  const lags = entries.map(([partition, stored], i): Lag => {
    const committed = fromStored(partition, stored);
    const [start, end] = [offsetOf(found[i * 2]), offsetOf(found[i * 2 + 1])];
    if (start === undefined || end === undefined) return { committed };
    const known = { committed, endOffset: end };
    if (stored === undefined) return known;
    const at = stored.offset > start ? stored.offset : start;
    if (end <= at) return { ...known, records: 0n, behindMs: 0n };
    const lag: Lag = { ...known, records: end - at };
    behind.push(async () => {
      const writtenAt = await ends.timestampAt(partition, at);
      // A producer's clock may be ahead.
      if (writtenAt !== undefined) lag.behindMs = BigInt(Math.max(0, Math.round(nowMs() - writtenAt)));
    });
    return lag;
  });
  const looks = behind.slice(0, timedMax).values();
  await Promise.all(
    Array.from({ length: looksAtOnce }, async () => {
      for (const look of looks) await look();
    }),
  );
  return lags;
}

const offsetOf = (found: Found | undefined): bigint | undefined =>
  found === undefined || 'error' in found ? undefined : found.offset;
