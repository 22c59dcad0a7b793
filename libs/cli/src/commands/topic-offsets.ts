import type { FoundOffset, Place } from '@moldau/client';
import { type ConfirmOptions, confirm } from '../confirm.ts';
import { usage } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { printRows } from '../listing.ts';
import { partitionOf } from '../numbers.ts';
import { parsePlace } from '../place-range.ts';
import { withClient } from '../session.ts';
import type { GlobalOptions } from '../settings.ts';

export interface OffsetsOptions extends GlobalOptions {
  readonly offset?: string;
  readonly partition?: string;
}

/** `moldau topic offsets` */
export async function offsets(topic: string, options: OffsetsOptions, io: Io): Promise<void> {
  const place = options.offset === undefined ? undefined : parsePlace(options.offset, Date.now());
  const partitions = options.partition === undefined ? undefined : [partitionOf(options.partition)];
  await withClient(options, io, async ({ admin }, { output }) => {
    const starts = await admin.listOffsets(topic, 'start', partitions);
    const ends = await admin.listOffsets(topic, 'end', partitions);
    const found = place === undefined ? [] : await admin.listOffsets(topic, place, partitions);
    const rows = ends.map((end, index) => {
      const start = starts[index];
      return {
        partition: end.partition,
        start: textOf(start),
        end: textOf(end),
        offsets: String((end.offset ?? 0n) - (start?.offset ?? 0n)),
        size_bytes: end.sizeBytes,
        ...(place !== undefined && { found: textOf(found[index]) }),
      };
    });
    await printRows(rows, 'partition', output, io);
  });
}

const textOf = (found: FoundOffset | undefined): string | null =>
  found?.offset === undefined ? null : String(found.offset);

export interface TrimOptions extends GlobalOptions, ConfirmOptions {
  readonly before: string;
  readonly partition?: string;
}

/** `moldau topic trim` */
export async function trim(topic: string, options: TrimOptions, io: Io): Promise<void> {
  const { dryRun = false } = options;
  const place = parsePlace(options.before, Date.now());
  if (typeof place === 'object' && 'offset' in place && options.partition === undefined) {
    throw usage('--before with an offset needs --partition: offsets of partitions have nothing to do with each other');
  }
  const partitions = options.partition === undefined ? undefined : [partitionOf(options.partition)];
  await withClient(options, io, async ({ admin }, { output }) => {
    const starts = await admin.listOffsets(topic, 'start', partitions);
    const ends = await admin.listOffsets(topic, 'end', partitions);
    const found =
      typeof place === 'object' && 'offset' in place ? [] : await admin.listOffsets(topic, place, partitions);
    const cuts = starts.map(({ partition, offset }, index) => ({
      partition,
      start: offset ?? 0n,
      before: cutOf(place, found[index], ends[index]),
    }));
    const offsetCount = cuts.reduce((sum, { start, before }) => sum + (before > start ? before - start : 0n), 0n);
    if (!dryRun) await confirm(`delete ${offsetCount} offsets of ${topic}`, options, io);
    const rows = [];
    for (const { partition, start, before } of cuts) {
      if (before > start) await admin.trimPartition(topic, partition, before, { dryRun });
      rows.push({ partition, start: String(start), new_start: String(before > start ? before : start) });
    }
    await printRows(rows, 'partition', output, io);
    if (dryRun && options.quiet !== true) io.stderr.write('nothing was deleted: --dry-run\n');
  });
}

/** Where to cut. A time behind every record: everything is older. */
function cutOf(place: Place, found: FoundOffset | undefined, end: FoundOffset | undefined): bigint {
  if (typeof place === 'object' && 'offset' in place) return place.offset;
  return found?.offset ?? end?.offset ?? 0n;
}
