import type { MessageInitShape } from '@bufbuild/protobuf';
import type { StoredOffset } from '@moldau/groups';
import type { PartitionKey } from '@moldau/kernel';
import type { GroupLagSchema } from '@moldau/proto/moldau/group/v1/group_pb';
import { earliest, type Found, type LogEnds, latest } from './log-ends.ts';
import { fromStored } from './wire.ts';

type Lag = MessageInitShape<typeof GroupLagSchema>;

/** How far behind the end each committed position is. What lies below the log start can't be read, and counts for nothing. */
export async function lagOf(offsets: ReadonlyMap<PartitionKey, StoredOffset>, ends: LogEnds): Promise<Lag[]> {
  const entries = [...offsets];
  const found = await ends.find(
    entries.flatMap(([partition]) => [
      { partition, place: earliest },
      { partition, place: latest },
    ]),
  );
  return entries.map(([partition, stored], i) => {
    const committed = fromStored(partition, stored);
    const [start, end] = [offsetOf(found[i * 2]), offsetOf(found[i * 2 + 1])];
    if (start === undefined || end === undefined) return { committed };
    const at = stored.offset > start ? stored.offset : start;
    const records = end > at ? end - at : 0n;
    return { committed, records, ...(records === 0n && { behindMs: 0n }) };
  });
}

const offsetOf = (found: Found | undefined): bigint | undefined =>
  found === undefined || 'error' in found ? undefined : found.offset;
