import { Gate, type Revision } from '@moldau/kernel';
import { type StoreChange, type StoreWatch, storeUnavailable } from '@moldau/metadata';
import type { MemoryStoreHistory } from './memory-store-history.ts';

/** Pulls from the history: a slow reader holds a position and no queue, and meets a compaction as in etcd. */
export class MemoryStoreWatch implements StoreWatch {
  readonly #history: MemoryStoreHistory;
  readonly #prefix: string;
  readonly #ended: () => void;
  readonly #gate = new Gate();
  #next: bigint;
  #changesLeft: number;
  #state: 'open' | 'closed' | 'broken' = 'open';

  constructor(
    history: MemoryStoreHistory,
    prefix: string,
    from: Revision,
    breakAfterChanges: number | undefined,
    ended: () => void,
  ) {
    this.#history = history;
    this.#prefix = prefix;
    this.#next = from;
    this.#changesLeft = breakAfterChanges ?? Number.POSITIVE_INFINITY;
    this.#ended = ended;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoreChange> {
    try {
      for (;;) {
        const change = this.#take();
        if (change !== undefined) yield change;
        else if (this.#state === 'closed') return;
        else await this.#gate.wait();
      }
    } finally {
      this.close();
    }
  }

  wake(): void {
    this.#gate.open();
  }

  close(): void {
    if (this.#state === 'open') this.#state = 'closed';
    this.#ended();
    this.wake();
  }

  break(): void {
    this.#state = 'broken';
    this.#ended();
    this.wake();
  }

  #take(): StoreChange | undefined {
    if (this.#changesLeft <= 0) this.break();
    if (this.#state === 'broken') throw storeUnavailable('the watch broke');
    if (this.#state === 'closed') return undefined;
    const change = this.#history.changeFrom(this.#prefix, this.#next);
    if (change === undefined) return undefined;
    this.#next = change.revision + 1n;
    this.#changesLeft -= 1;
    return change;
  }
}
