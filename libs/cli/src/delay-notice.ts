import type { Delay } from '@moldau/client';
import { formatDuration } from '@moldau/config';
import type { Io } from './io.ts';
import { lineStart } from './progress.ts';

const atMostEveryMs = 10_000;

/** Says what records are waiting for, in a pipe too: a reason once for each partition, and not more often than every 10 s. */
export function delayNotice(
  { quiet }: { readonly quiet?: boolean },
  io: Io,
  now = (): number => performance.now(),
): (delay: Delay) => void {
  const said = new Map<number, string>();
  let nextAt = Number.NEGATIVE_INFINITY;
  return ({ partition, error: { message }, deliveryTimeoutMs }) => {
    if (quiet === true || now() < nextAt || said.get(partition) === message) return;
    nextAt = now() + atMostEveryMs;
    said.set(partition, message);
    io.stderr.write(`${lineStart(io)}waiting: ${message} (giving up after ${formatDuration(deliveryTimeoutMs)})\n`);
  };
}
