import type { DirectoryContext } from './directory-context.ts';
import type { FilePlace, LogState } from './log-state.ts';
import type { Segment } from './segment.ts';

/** Takes a segment's files off the disk. Survives power loss only with the next sync of the directory. */
export async function removeSegment(context: DirectoryContext, segment: Segment): Promise<void> {
  segment.removed = true;
  context.indexes.forget(segment);
  await Promise.all([context.appenders.close(segment.path), context.readers.close(segment.path)]);
  await context.fs.removeFile(segment.path);
  await context.fs.removeFile(segment.indexPath);
}

/** Cuts the files of a log at a batch boundary; the newest go first. Durable once this resolves; may be begun again. */
export async function cutFiles(context: DirectoryContext, state: LogState, place: FilePlace): Promise<void> {
  for (let last = state.active; last !== undefined && last.baseOffset > place.segment; last = state.active) {
    await removeSegment(context, last);
    state.segments.pop();
  }
  const last = state.active;
  if (last !== undefined) {
    await context.fs.removeFile(last.indexPath);
    await context.appenders.use(last.path, async (file) => {
      await file.truncate(place.position);
      await file.sync();
    });
    context.appenders.letGo(last.path);
    context.indexes.forget(last);
    last.index = undefined;
    last.sizeBytes = place.position;
    last.syncedBytes = place.position;
    last.nameSynced = true;
  }
  await context.fs.syncDirectory(state.directory);
}
