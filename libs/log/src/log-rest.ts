import type { DirectoryContext } from './directory-context.ts';
import { saveIndex } from './index-cache.ts';
import type { LogState } from './log-state.ts';
import { saveSnapshot } from './producers/snapshot-files.ts';

/** Keeps what makes the next start of a log at rest quick: all of it could be rebuilt. */
export async function saveRest(context: DirectoryContext, state: LogState): Promise<void> {
  const { active, logStart, logEnd } = state;
  if (active?.index !== undefined) await saveIndex(context, active);
  if (state.snapshotAt === logEnd || logEnd <= logStart) return;
  await saveSnapshot(context.fs, state, logEnd, state.producers.encode(logEnd));
}
