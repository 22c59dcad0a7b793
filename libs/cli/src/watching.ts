import { setTimeout as pause } from 'node:timers/promises';
import type { Io } from './io.ts';

const watchEveryMs = 2_000;

/** Shows something once or, with `--watch`, again every two seconds until Ctrl-C, in the place of what was there. */
export async function watching(
  { watch }: { readonly watch?: boolean },
  io: Io,
  show: () => Promise<void>,
): Promise<void> {
  await show();
  while (watch === true && !io.interrupted.aborted) {
    try {
      await pause(watchEveryMs, undefined, { signal: io.interrupted });
    } catch {
      return;
    }
    if (io.stdout.isTTY === true) io.stdout.write('\u001b[H\u001b[2J');
    await show();
  }
}
