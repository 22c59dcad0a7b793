import type { GuardedFileSystem } from './guarded-file-system.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import type { LogState } from './log-state.ts';
import { readFile, replaceFile } from './small-files.ts';

const pathOf = (directory: string): string => `${directory}/leader-epochs`;

/** Writes the epochs if they have changed. They are durable before any record of a new one counts as durable. */
export function saveEpochs(fs: GuardedFileSystem, state: LogState): Promise<void> {
  // The writer and the syncer may both want it: who comes second waits until the first is done.
  return state.savingEpochs.run(async () => {
    if (state.epochsSaved) return;
    state.epochsSaved = true;
    try {
      await replaceFile(fs, pathOf(state.directory), state.epochs.encode());
    } catch (error) {
      state.epochsSaved = false;
      throw error;
    }
  });
}

/** Undefined: there is none, or it is damaged. */
export async function readEpochs(fs: GuardedFileSystem, directory: string): Promise<LeaderEpochs | undefined> {
  const bytes = await readFile(fs, pathOf(directory));
  return bytes && LeaderEpochs.decode(bytes);
}
