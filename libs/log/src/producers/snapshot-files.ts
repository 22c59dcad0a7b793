import { FileError, type Millis, type Offset } from '@moldau/kernel';
import { noProducer } from '@moldau/records';
import { type WalkEnd, walkBatches } from '../batch-walk.ts';
import type { DirectoryContext } from '../directory-context.ts';
import type { GuardedFileSystem } from '../guarded-file-system.ts';
import { loadIndex } from '../index-cache.ts';
import type { LogState } from '../log-state.ts';
import { offsetName, offsetOfName } from '../segment.ts';
import { readFile, replaceRebuildable } from '../small-files.ts';
import { ProducerTable } from './producer-table.ts';

const ending = '.producers';
const keptSnapshots = 3;
const windowBytes = 512 * 1024;

const pathOf = (state: LogState, at: Offset): string => `${state.directory}/${offsetName(at)}${ending}`;

/** Keeps the producers as of `at`, and drops snapshots that are too old to be of use. */
export async function saveSnapshot(
  fs: GuardedFileSystem,
  state: LogState,
  at: Offset,
  encoded: Uint8Array,
): Promise<void> {
  try {
    await replaceRebuildable(fs, pathOf(state, at), encoded);
    state.snapshotAt = at;
    const old = (await snapshotOffsets(fs, state)).slice(0, -keptSnapshots);
    for (const offset of old) await fs.removeFile(pathOf(state, offset));
  } catch (error) {
    // It can be rebuilt: a full disk is no reason to stop here.
    if (!(error instanceof FileError) || fs.failure !== undefined) throw error;
  }
}

/** Drops snapshots above `end`: they speak of batches that are gone. */
export async function dropSnapshotsAbove(fs: GuardedFileSystem, state: LogState, end: Offset): Promise<void> {
  for (const offset of await snapshotOffsets(fs, state)) {
    if (offset > end) await fs.removeFile(pathOf(state, offset));
  }
  if (state.snapshotAt !== undefined && state.snapshotAt > end) state.snapshotAt = undefined;
}

/**
 * The producers as of `end`: the nearest snapshot, and the headers behind it. Returns where a damaged log stopped it,
 * if one did; the state then holds what could be read.
 */
export async function rebuildProducers(
  context: DirectoryContext,
  state: LogState,
  end: Offset,
  nowMs: Millis,
): Promise<WalkEnd | undefined> {
  const { table, at } = await nearestSnapshot(context.fs, state, end);
  state.producers = table;
  state.snapshotAt = at;
  let stopped: WalkEnd | undefined;
  const from = at ?? state.logStart;
  for (const segment of state.segments) {
    if (segment.nextOffset <= from || segment.baseOffset >= end || segment.sizeBytes === 0) continue;
    const place = (await loadIndex(context, segment)).placeOf(from < segment.baseOffset ? segment.baseOffset : from);
    if (segment !== state.active) context.indexes.touch(segment);
    const walked = await context.readers.use(segment.path, (file) =>
      walkBatches(
        {
          read: (position, target) => file.read(position, target),
          position: place.position,
          endPosition: segment.sizeBytes,
          offset: place.offset,
          checkCrc: false,
          windowBytes,
        },
        ({ header }) => {
          if (header.nextOffset > end) return false;
          if (header.baseOffset >= from && header.producerId !== noProducer) table.take(header, nowMs);
          return true;
        },
      ),
    );
    if (walked.kind === 'bad') stopped ??= walked;
  }
  return stopped;
}

async function nearestSnapshot(
  fs: GuardedFileSystem,
  state: LogState,
  end: Offset,
): Promise<{ table: ProducerTable; at: Offset | undefined }> {
  const offsets = await snapshotOffsets(fs, state);
  for (const at of offsets.filter((offset) => offset <= end && offset >= state.logStart).reverse()) {
    const bytes = await readFile(fs, pathOf(state, at));
    const table = bytes && ProducerTable.decode(bytes, at);
    if (table !== undefined) return { table, at };
  }
  return { table: new ProducerTable(), at: undefined };
}

async function snapshotOffsets(fs: GuardedFileSystem, state: LogState): Promise<Offset[]> {
  const names = await fs.list(state.directory);
  return names.flatMap((name) => offsetOfName(name, ending) ?? []);
}
