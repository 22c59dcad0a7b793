interface Handle {
  close(): Promise<void>;
}

interface Entry<H> {
  readonly opening: Promise<H>;
  users: number;
  held: boolean;
  /** Set when it is to be closed as soon as nobody uses it: by then its number may be another file's. */
  onIdle?: () => void;
}

/**
 * Open files by path, opened when they are used and closed when others need the room: least recently used first. A file
 * in use, or held because its data is not synced yet, is never closed: a sync through a later handle might miss an error.
 */
export class HandlePool<H extends Handle> {
  readonly #open: (path: string) => Promise<H>;
  readonly #limit: number;
  // In the order of their last use.
  readonly #entries = new Map<string, Entry<H>>();
  /** The one used last, which need not move: a map that is changed for each write is garbage for the old heap. */
  #newestPath: string | undefined;
  readonly #closing = new Set<Promise<void>>();

  constructor(limit: number, open: (path: string) => Promise<H>) {
    this.#limit = limit;
    this.#open = open;
  }

  get size(): number {
    return this.#entries.size;
  }

  async use<T>(path: string, task: (handle: H) => Promise<T>): Promise<T> {
    const entry = this.#entry(path);
    entry.users += 1;
    try {
      return await task(await entry.opening);
    } catch (error) {
      if ((await failed(entry.opening)) && this.#entries.get(path) === entry) this.#entries.delete(path);
      throw error;
    } finally {
      entry.users -= 1;
      if (entry.users === 0) entry.onIdle?.();
      this.#evict();
    }
  }

  /** Keeps an open file open until `letGo`. */
  hold(path: string): void {
    this.#entry(path).held = true;
  }

  letGo(path: string): void {
    const entry = this.#entries.get(path);
    if (entry !== undefined) entry.held = false;
  }

  /** Closes the file if it is open, once nobody uses it any more. A later use opens it again. */
  async close(path: string): Promise<void> {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#entries.delete(path);
    await this.#closeIdle(entry);
  }

  async closeAll(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all([...entries.map((entry) => this.#closeIdle(entry)), ...this.#closing]);
  }

  async #closeIdle(entry: Entry<H>): Promise<void> {
    if (entry.users > 0) {
      await new Promise<void>((resolve) => {
        entry.onIdle = resolve;
      });
    }
    await closeEntry(entry);
  }

  #entry(path: string): Entry<H> {
    const found = this.#entries.get(path);
    if (found !== undefined && path === this.#newestPath) return found;
    this.#newestPath = path;
    const entry = found ?? { opening: this.#open(path), users: 0, held: false };
    if (found === undefined) entry.opening.catch(() => {});
    this.#entries.delete(path);
    this.#entries.set(path, entry);
    return entry;
  }

  #evict(): void {
    let excess = this.#entries.size - this.#limit;
    if (excess <= 0) return;
    for (const [path, entry] of this.#entries) {
      if (excess <= 0) return;
      if (entry.users > 0 || entry.held) continue;
      this.#entries.delete(path);
      excess -= 1;
      const closing: Promise<void> = closeEntry(entry).finally(() => this.#closing.delete(closing));
      this.#closing.add(closing);
    }
  }
}

// A close that fails has been noted by the guard of the directory; there is nothing else to do about it.
const closeEntry = <H extends Handle>(entry: Entry<H>): Promise<void> =>
  entry.opening.then((handle) => handle.close()).catch(() => {});

const failed = (promise: Promise<unknown>): Promise<boolean> =>
  promise.then(
    () => false,
    () => true,
  );
