import { Gate, type Revision } from '@moldau/kernel';
import type { StoreChange, StoreWatch } from '@moldau/metadata';
import type { Tables } from './tables.ts';

/** Reads change after change from the tables: a slow reader costs a position, and no queue. */
export class EmbeddedWatch implements StoreWatch {
  readonly #tables: Tables;
  readonly #prefix: string;
  readonly #gate = new Gate();
  readonly #ended: () => void;
  #next: bigint;
  #closed = false;

  constructor(tables: Tables, prefix: string, from: Revision, ended: () => void) {
    this.#tables = tables;
    this.#prefix = prefix;
    this.#next = from;
    this.#ended = ended;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoreChange> {
    try {
      while (!this.#closed) {
        const change = this.#tables.changeFrom(this.#prefix, this.#next);
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
