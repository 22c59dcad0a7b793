import { FileError, sleep } from '@moldau/kernel';
import type { DirectoryContext } from './directory-context.ts';
import type { LogState } from './log-state.ts';

const retryMs = 1_000;

/**
 * Carries out what may not stay half done: a full disk only delays it. Rejects when the directory has failed, or when the log
 * is being closed or removed; the next start then finishes it. The task may be begun again after any of its steps.
 */
export async function untilSpace(
  context: DirectoryContext,
  state: LogState,
  task: () => Promise<unknown>,
): Promise<void> {
  for (;;) {
    try {
      await task();
      return;
    } catch (error) {
      if (!(error instanceof FileError) || context.fs.failure !== undefined || state.ending) throw error;
      context.logger.warn('a cut is tried again', { partition: state.name, error: error.message });
      await sleep(context.timers, retryMs);
    }
  }
}
