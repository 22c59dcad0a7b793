import { Gate, type Revision } from '@moldau/kernel';
import type { StoreChange, StoreWatch } from '@moldau/metadata';

/** Reads change after change where they are kept: a slow reader costs a position, and no queue. */
export class EmbeddedWatch implements StoreWatch {
  readonly #changeFrom: (revision: bigint) => StoreChange | undefined;
  readonly #gate = new Gate();
  readonly #ended: () => void;
  #next: bigint;
  #closed = false;

  constructor(changeFrom: (revision: bigint) => StoreChange | undefined, from: Revision, ended: () => void) {
    this.#changeFrom = changeFrom;
    this.#next = from;
    this.#ended = ended;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoreChange> {
    try {
      while (!this.#closed) {
        const change = this.#changeFrom(this.#next);
        if (change === undefined) {
          await this.#gate.wait();
          continue;
        }
        this.#next = change.revision + 1n;
        yield change;
      }
    } finally {
      this.close();
    }
  }

  wake(): void {
    this.#gate.open();
  }

  close(): void {
    this.#closed = true;
    this.#ended();
    this.wake();
  }
}
