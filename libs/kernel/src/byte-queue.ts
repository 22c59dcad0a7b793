import { assert } from './assert.ts';
import { Fifo } from './fifo.ts';

/**
 * A first-in, first-out queue that is bounded in bytes. `push` refuses when it is full: the owner answers OVERLOADED or
 * stops reading from its peer. One item always fits an empty queue, so nothing larger than the bound can block for ever.
 */
export class ByteQueue<T> {
  readonly #limitBytes: number;
  readonly #sizeOf: (item: T) => number;
  readonly #items = new Fifo<T>();
  #bytes = 0;

  constructor(limitBytes: number, sizeOf: (item: T) => number) {
    assert(limitBytes > 0, 'a queue has room for something');
    this.#limitBytes = limitBytes;
    this.#sizeOf = sizeOf;
  }

  get length(): number {
    return this.#items.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  /** Takes the item, or returns false when it does not fit. */
  push(item: T): boolean {
    const size = this.#sizeOf(item);
    if (this.length > 0 && this.#bytes + size > this.#limitBytes) return false;
    this.#items.push(item);
    this.#bytes += size;
    return true;
  }

  shift(): T | undefined {
    const item = this.#items.shift();
    if (item !== undefined) this.#bytes -= this.#sizeOf(item);
    return item;
  }

  /** Takes everything, in order. */
  drain(): T[] {
    this.#bytes = 0;
    return this.#items.cut(0);
  }
}
