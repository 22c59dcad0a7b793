import { assert } from './assert.ts';

/**
 * A first-in, first-out queue that is bounded in bytes. `push` refuses when it is full: the owner answers OVERLOADED or
 * stops reading from its peer. One item always fits an empty queue, so nothing larger than the bound can block for ever.
 */
export class ByteQueue<T> {
  readonly #limitBytes: number;
  readonly #sizeOf: (item: T) => number;
  /** The places before `#head` are empty: what was taken is not kept alive from here. */
  #items: (T | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  constructor(limitBytes: number, sizeOf: (item: T) => number) {
    assert(limitBytes > 0, 'a queue has room for something');
    this.#limitBytes = limitBytes;
    this.#sizeOf = sizeOf;
  }

  get length(): number {
    return this.#items.length - this.#head;
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
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head] as T;
    this.#items[this.#head] = undefined;
    this.#head += 1;
    this.#bytes -= this.#sizeOf(item);
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes everything, in order. */
  drain(): T[] {
    const all = this.#items.slice(this.#head) as T[];
    this.#items = [];
    this.#head = 0;
    this.#bytes = 0;
    return all;
  }
}
