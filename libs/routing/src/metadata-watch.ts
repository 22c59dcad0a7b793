import { type Millis, type Timers, Wakeup } from '@moldau/kernel';
import { type MetadataChange, MetadataFeed } from './metadata-feed.ts';
import type { WatchedMetadata } from './metadata-source.ts';

/** Longer silence could be a dead connection: an empty change says that it is not. */
const heartbeatMs: Millis = 5_000;

/** A snapshot, and then every change, until the signal is aborted. */
export async function* watchMetadata<N extends { readonly id: number }, T extends { readonly id: string }>(
  source: WatchedMetadata<N, T>,
  timers: Timers,
  topics: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<MetadataChange<N, T>> {
  const feed = new MetadataFeed(source, topics);
  const wakeup = new Wakeup();
  const wake = (): void => wakeup.wake();
  const ignore = source.onChange((changed) => {
    if (feed.note(changed)) wakeup.wake();
  });
  signal.addEventListener('abort', wake);
  try {
    while (!signal.aborted) {
      let told = false;
      for (const change of feed.take()) {
        yield change;
        told = true;
      }
      if (!told) yield { ...nothing, version: source.version };
      if (!signal.aborted) await wakeup.wait(timers, heartbeatMs);
    }
  } finally {
    ignore();
    signal.removeEventListener('abort', wake);
  }
}

const nothing = { snapshot: false, complete: true, nodes: [], removedNodes: [], topics: [], removedTopics: [] };
