import { faults, type Logger } from '@moldau/kernel';
import type { TopicPartition } from '../consumer.ts';

/** What a member is told of its partitions. */
export interface PartitionsChanged {
  readonly partitions: readonly TopicPartition[];
}

/**
 * `assigned`: partitions are the member's, and are read once all listeners have resolved; `revoked`: they are to be given up, and
 * are once all listeners have resolved, or the time for it is over; `lost`: others may have them already.
 */
export type GroupEvent = 'assigned' | 'revoked' | 'lost';

export type GroupListener = (changed: PartitionsChanged) => unknown;

/** Who listens to how the partitions of a member come and go. */
export class GroupEvents {
  readonly #listeners: Record<GroupEvent, Set<GroupListener>> = {
    assigned: new Set(),
    revoked: new Set(),
    lost: new Set(),
  };
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Calls back until the returned function is called. Throws INVALID_REQUEST when there is no such event. */
  on(event: GroupEvent, listener: GroupListener): () => void {
    if (!Object.hasOwn(this.#listeners, event)) {
      const there = Object.keys(this.#listeners).join(', ');
      throw faults.invalidRequest('event', `is ${JSON.stringify(event)}: there are ${there}`);
    }
    if (typeof listener !== 'function') throw faults.invalidRequest('listener', 'is no function');
    this.#listeners[event].add(listener);
    return () => this.#listeners[event].delete(listener);
  }

  /** Resolves when every listener has. What one of them throws is logged: a partition can't wait for it. */
  async tell(event: GroupEvent, changed: readonly TopicPartition[]): Promise<void> {
    if (changed.length === 0) return;
    const partitions = changed.map(({ topic, partition }) => ({ topic, partition }));
    await Promise.all(
      [...this.#listeners[event]].map(async (listener) => {
        try {
          await listener({ partitions });
        } catch (error) {
          this.#logger.error('a listener of a consumer has failed', { event, error });
        }
      }),
    );
  }
}
