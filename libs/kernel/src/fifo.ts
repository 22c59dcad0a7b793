/**
 * A first-in, first-out queue with places that can be looked at. In an array: what was taken leaves an empty place at its
 * beginning, and half of them go at once. `Array.shift` moves all that is behind, from some thousands on.
 */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** What stands so many places behind the head. */
  at(index: number): T | undefined {
    return index < 0 ? undefined : this.#items[this.#head + index];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Keeps the first `length` of them, and returns the others, in order. */
  cut(length: number): T[] {
    return this.#items.splice(this.#head + length) as T[];
  }
}
