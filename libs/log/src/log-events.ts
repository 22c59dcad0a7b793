import type { FileError, Offset } from '@moldau/kernel';
import type { DamagedRange } from './partition-reader.ts';

/** Calls everyone who listens, in the order in which they came. */
class Listeners<A extends readonly unknown[]> {
  readonly #callbacks: ((...args: A) => void)[] = [];

  add(callback: (...args: A) => void): void {
    this.#callbacks.push(callback);
  }

  tell(...args: A): void {
    for (const callback of this.#callbacks) callback(...args);
  }
}

/** What a log tells its owner. */
export class LogEvents {
  readonly written = new Listeners<[writtenEnd: Offset]>();
  readonly durable = new Listeners<[durableEnd: Offset]>();
  readonly writeFailed = new Listeners<[from: Offset, error: FileError]>();
  readonly damage = new Listeners<[range: DamagedRange]>();
}
