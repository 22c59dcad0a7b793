import { createInterface } from 'node:readline/promises';
import { CommandFailed, exitCode, usage } from './exit-code.ts';
import type { Io } from './io.ts';

/** What a destructive command takes. */
export interface ConfirmOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

/** Asks before something is destroyed. Resolves when it may go on; `--yes` goes on at once. */
export async function confirm(deed: string, { yes }: ConfirmOptions, io: Io): Promise<void> {
  if (yes === true) return;
  if (io.stdin.isTTY !== true) throw usage(`this would ${deed}: say --yes to do it`);
  const lines = createInterface({ input: io.stdin, output: io.stderr });
  try {
    const answer = await lines.question(`This will ${deed}. Go on? [y/N] `, { signal: io.interrupted });
    if (/^y(es)?$/i.test(answer.trim())) return;
  } catch (error) {
    if (!io.interrupted.aborted) throw error;
  } finally {
    lines.close();
  }
  throw new CommandFailed(exitCode.failed, 'nothing was changed');
}
