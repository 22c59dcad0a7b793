/** At most `count` at a time; who waits is served in the order of asking, so no partition overtakes another. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async use<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

/** Runs `task` for each item, at most `width` at a time. Ends with the first failure, after all that were begun. */
export async function forEachParallel<T>(
  items: Iterable<T>,
  width: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const worker = async (first: T): Promise<void> => {
    for (let item = first; ; ) {
      try {
        await task(item);
      } catch (error) {
        failures.push(error);
      }
      const next = failures.length === 0 ? iterator.next() : undefined;
      if (next === undefined || next.done === true) return;
      item = next.value;
    }
  };
  // No more of them than there are items: of a sync round there are a thousand a second, mostly of one file.
  const workers: Promise<void>[] = [];
  while (workers.length < width && failures.length === 0) {
    const next = iterator.next();
    if (next.done === true) break;
    workers.push(worker(next.value));
  }
  await Promise.all(workers);
  if (failures.length > 0) throw failures[0];
}
