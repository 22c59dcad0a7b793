import { Fifo } from '@moldau/kernel';

/**
 * The entries of a session that are not answered, by sequence. Not a map: one that changes with each batch outgrows its tables
 * all the time, each points to the next, and once V8 has moved one of them to the old heap, all that any of them held
 * stays until that is collected.
 */
export class Unanswered<T> {
  /** From the first one that is not answered on. Behind one that takes long, answered ones keep a place each, for as long. */
  readonly #entries = new Fifo<{ entry: T | undefined }>();
  #first = 0n;
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** The one that waits for longest. */
  get oldest(): T | undefined {
    return this.#entries.at(0)?.entry;
  }

  /** The sequence that the next entry gets. From 0 on, one after the other. */
  get next(): bigint {
    return this.#first + BigInt(this.#entries.length);
  }

  /** Returns the sequence of the entry. */
  add(entry: T): bigint {
    const sequence = this.next;
    this.#entries.push({ entry });
    this.#count += 1;
    return sequence;
  }

  /** The entry of an answer. `undefined`: nobody's, or it was answered before. */
  take(sequence: bigint): T | undefined {
    const place = this.#entries.at(Number(sequence - this.#first));
    const entry = place?.entry;
    if (place === undefined || entry === undefined) return undefined;
    place.entry = undefined;
    this.#count -= 1;
    for (let head = this.#entries.at(0); head !== undefined && head.entry === undefined; head = this.#entries.at(0)) {
      this.#entries.shift();
      this.#first += 1n;
    }
    return entry;
  }

  /** All of them, in order, and none is left. */
  takeAll(): T[] {
    this.#first = this.next;
    this.#count = 0;
    return this.#entries.cut(0).flatMap(({ entry }) => (entry === undefined ? [] : [entry]));
  }
}
