import type { Delay, ProducerOptions } from '@moldau/client';
import { formatDuration } from '@moldau/config';
import type { Io } from './io.ts';
import { lineStart } from './progress.ts';
import { type GlobalOptions, settingsOf } from './settings.ts';

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

/** What every producer of this program is told. */
export function deliveryOf(
  options: GlobalOptions,
  io: Io,
): Pick<ProducerOptions<unknown, unknown>, 'onDelay' | 'deliveryTimeout'> {
  const { values, sources } = settingsOf(options, io);
  return {
    onDelay: delayNotice(options, io),
    // Who sets a time limit means it for the records, too; else a restart of the cluster is waited out.
    ...(sources.timeout !== 'default' && { deliveryTimeout: values.timeout }),
  };
}
