import type { MoldauError } from '@moldau/kernel';

/** Called once, with the answer to an entry: what went wrong, or where it is written. */
export type Acked = (error: MoldauError | undefined, baseOffset: bigint | undefined) => void;

/**
 * Who waits for the answers of a session, by sequence. Not a map: one that changes with each batch outgrows its tables all the
 * time, each points to the next, and once V8 has moved one of them to the old heap, all that any of them held stays
 * until that is collected.
 */
export class Unacknowledged {
  readonly #waiting: (Acked | undefined)[] = [];
  /** The sequence of the first one in the list. */
  #first = 0n;
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Returns the sequence of the entry: from 0 on, one after the other. */
  add(acked: Acked): bigint {
    this.#count += 1;
    return this.#first + BigInt(this.#waiting.push(acked)) - 1n;
  }

  /** Who waited for it. `undefined`: nobody, or not any more. */
  take(sequence: bigint): Acked | undefined {
    const at = Number(sequence - this.#first);
    const acked = this.#waiting[at];
    if (acked === undefined) return undefined;
    this.#waiting[at] = undefined;
    this.#count -= 1;
    // They are answered in order, but for those that wait for other partitions.
    while (this.#waiting.length > 0 && this.#waiting[0] === undefined) {
      this.#waiting.shift();
      this.#first += 1n;
    }
    return acked;
  }

  /** All of them, in order, and none is left. */
  takeAll(): Acked[] {
    this.#first += BigInt(this.#waiting.length);
    this.#count = 0;
    return this.#waiting.splice(0).filter((acked) => acked !== undefined);
  }
}
