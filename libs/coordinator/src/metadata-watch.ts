import type { Millis, Timers } from '@moldau/kernel';
import type { ImageKeeper } from './image-keeper.ts';
import { type MetadataChange, MetadataFeed } from './metadata-feed.ts';
import { Wakeup } from './wakeup.ts';

/** Longer silence could be a dead connection: an empty change says that it is not. */
const heartbeatMs: Millis = 5_000;

/** A snapshot, and then every change, until the signal is aborted. */
export async function* watchMetadata(
  keeper: ImageKeeper,
  timers: Timers,
  topics: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<MetadataChange> {
  const feed = new MetadataFeed(keeper.image, topics);
  const wakeup = new Wakeup();
  const wake = (): void => wakeup.wake();
  const ignore = keeper.onChange((delta) => {
    if (feed.note(delta)) wakeup.wake();
  });
  signal.addEventListener('abort', wake);
  try {
    while (!signal.aborted) {
      let told = false;
      for (const change of feed.take()) {
        yield change;
        told = true;
      }
      if (!told) yield quiet(keeper);
      if (!signal.aborted) await wakeup.wait(timers, heartbeatMs);
    }
  } finally {
    ignore();
    signal.removeEventListener('abort', wake);
  }
}

const quiet = ({ image }: ImageKeeper): MetadataChange => ({
  version: image.revision,
  snapshot: false,
  complete: true,
  nodes: [],
  removedNodes: [],
  topics: [],
  removedTopics: [],
});
