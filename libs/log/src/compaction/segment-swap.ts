import { assert, FileError, Gate, type Offset } from '@moldau/kernel';
import { walkBatches } from '../batch-walk.ts';
import type { DirectoryContext } from '../directory-context.ts';
import { saveIndex } from '../index-cache.ts';
import type { LogState } from '../log-state.ts';
import { offsetName, offsetOfName, type Segment } from '../segment.ts';
import { asideOf } from '../small-files.ts';

// One segment takes the place of several neighbours, the first of which has the same base:
//
//   1. it is written aside, as <base>.log.tmp, and synced
//   2. the checkpoint says that fewer bytes may be there
//   3. the indexes of the old ones go, and <base>-<next>.swap comes, an empty file; durably
//   4. it becomes <base>.log in place of the first one; durably
//   5. the others go; durably
//   6. <base>-<next>.swap goes
//
// A crash keeps of each name the old or the new state, of a rename maybe one name's old and the other one's new. So the old
// ones are all there until step 4 is durable, and what stands at <base>.log says itself which of the two it is: the new one
// ends at <next>, the old one where the second begins. A start goes on with step 5, or takes step 3 back.

const markEnding = '.swap';
const separator = '-';
const windowBytes = 512 * 1024;

const markPath = (directory: string, base: Offset, next: Offset): string =>
  `${directory}/${offsetName(base)}${separator}${offsetName(next)}${markEnding}`;

/**
 * Puts `fresh`, written aside and synced, in the place of `old`. Nothing is written, synced or cut meanwhile, and reads wait:
 * those that go on are of files that stay open.
 */
export async function swapSegments(
  context: DirectoryContext,
  state: LogState,
  old: readonly Segment[],
  fresh: Segment,
): Promise<void> {
  const [first, ...rest] = old;
  assert(first?.baseOffset === fresh.baseOffset, 'the new one begins where the old ones do');
  const { fs } = context;
  const { directory } = state;
  const mark = markPath(directory, fresh.baseOffset, fresh.nextOffset);
  for (const { indexPath } of old) await fs.removeFile(indexPath);
  await (await fs.openAppend(mark)).close();
  await fs.syncDirectory(directory);
  const done = new Gate();
  state.swapping = done;
  try {
    putInList(context, state, [first, ...rest], fresh);
    await fs.rename(asideOf(fresh.path), fresh.path);
    await fs.syncDirectory(directory);
    // Whoever opened one of them meanwhile has the old file: it must not be taken for the new one.
    for (const { path } of old) await Promise.all([context.appenders.close(path), context.readers.close(path)]);
    for (const { path } of rest) await fs.removeFile(path);
    await fs.syncDirectory(directory);
    await fs.removeFile(mark);
  } finally {
    state.swapping = undefined;
    done.open();
  }
  context.indexes.touch(fresh);
  await saveRebuildable(context, fresh);
}

function putInList(
  context: DirectoryContext,
  state: LogState,
  old: readonly [Segment, ...Segment[]],
  fresh: Segment,
): void {
  const at = state.segments.indexOf(old[0]);
  state.segments.splice(at, old.length, fresh);
  state.shrinkingBytes = 0;
  for (const segment of old) {
    segment.removed = true;
    context.indexes.forget(segment);
  }
}

/** Finishes, or takes back, what an earlier process had begun in a partition's directory. */
export async function settleSwaps(context: DirectoryContext, directory: string): Promise<void> {
  const names = await context.fs.list(directory);
  const bases = names.flatMap((name) => offsetOfName(name, '.log') ?? []);
  for (const name of names) {
    if (!name.endsWith(markEnding)) continue;
    const [first = '', second = ''] = name.slice(0, -markEnding.length).split(separator);
    const [base, next] = [offsetOfName(first, ''), offsetOfName(second, '')];
    if (base === undefined || next === undefined) continue;
    const others = bases.filter((other) => other > base && other < next);
    if (others.length > 0 && bases.includes(base) && (await endOf(context, directory, base)) === next) {
      for (const other of others) await context.fs.removeFile(`${directory}/${offsetName(other)}.log`);
      await context.fs.syncDirectory(directory);
    }
    await context.fs.removeFile(`${directory}/${name}`);
  }
}

/** The offset behind the last batch of a segment that nobody has loaded yet. */
async function endOf(context: DirectoryContext, directory: string, base: Offset): Promise<Offset> {
  const file = await context.fs.openRead(`${directory}/${offsetName(base)}.log`);
  try {
    const walked = await walkBatches(
      {
        read: (position, target) => file.read(position, target),
        position: 0,
        endPosition: await file.size(),
        offset: base,
        checkCrc: false,
        windowBytes,
      },
      () => true,
    );
    return walked.offset;
  } finally {
    await file.close();
  }
}

async function saveRebuildable(context: DirectoryContext, segment: Segment): Promise<void> {
  try {
    await saveIndex(context, segment);
  } catch (error) {
    // A full disk is no reason to fail here.
    if (!(error instanceof FileError) || context.fs.failure !== undefined) throw error;
  }
}
