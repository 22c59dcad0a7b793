import { hasReason, jittered, type Logger, type Random, sleep, type Timers } from '@moldau/kernel';
import type { MetadataStore, RangePage, StoreEntry } from '@moldau/metadata';

/** The value of one key, read linearizably. */
export async function readKey(store: MetadataStore, key: string): Promise<StoreEntry | undefined> {
  return (await store.txn([], [{ kind: 'get', key }])).read[0];
}

/** All pages of a prefix at one revision; at least one. */
export async function* listPages(store: MetadataStore, prefix: string): AsyncGenerator<RangePage> {
  let page = await store.range(prefix);
  yield page;
  while (page.more) {
    page = await store.range(prefix, { revision: page.revision, after: page.entries.at(-1)?.key });
    yield page;
  }
}

const firstBackoffMs = 50;
const backoffMaxMs = 2_000;

/** Tries again, ever more slowly, as long as the store does not answer. Any other error ends it, and so does the signal. */
export async function untilAnswered<T>(
  ports: { timers: Timers; random: Random; logger: Logger },
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let backoffMs = firstBackoffMs; ; backoffMs = Math.min(backoffMs * 2, backoffMaxMs)) {
    try {
      return await attempt();
    } catch (error) {
      if (!hasReason(error, 'STORE_UNAVAILABLE')) throw error;
      ports.logger.warn('the metadata store does not answer', { problem: error.message, backoffMs });
    }
    await sleep(ports.timers, jittered(ports.random, backoffMs), signal);
  }
}
