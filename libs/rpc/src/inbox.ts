import { Gate } from '@moldau/kernel';

/** What every message costs beside its bytes: keeps the number of small ones bounded too. */
const messageCostBytes = 64;

/** Messages that have arrived and wait for their one reader. Asks the stream for more only while there is room. */
export class Inbox<T> implements AsyncIterable<T> {
  readonly #read: () => void;
  readonly #limitBytes: number;
  readonly #left: (() => void) | undefined;
  readonly #arrived = new Gate();
  #waiting: { readonly message: T; readonly bytes: number }[] = [];
  #bytes = 0;
  #ended = false;
  #failure: Error | undefined;
  #reading = false;
  #asking = false;

  /** `read` asks the stream for one message. With `left`, a reader that leaves its loop early ends everything. */
  constructor(read: () => void, limitBytes: number, left?: () => void) {
    this.#read = read;
    this.#limitBytes = limitBytes;
    this.#left = left;
  }

  /** Begins to read. */
  start(): void {
    this.#ask();
  }

  /** The answer to `read`. */
  push(message: T, bytes: number): void {
    this.#reading = false;
    if (this.#over) return;
    this.#waiting.push({ message, bytes: bytes + messageCostBytes });
    this.#bytes += bytes + messageCostBytes;
    this.#arrived.open();
    this.#ask();
  }

  /** No more will come. What has arrived can still be read. */
  end(): void {
    this.#ended = true;
    this.#arrived.open();
  }

  /** No more will come, and the reader is told why when it has read what is here. */
  fail(error: Error): void {
    if (!this.#over) this.#failure = error;
    this.#arrived.open();
  }

  /** Throws away what has arrived, then fails. */
  abandon(error: Error): void {
    this.#waiting = [];
    this.#bytes = 0;
    this.#failure ??= error;
    this.#arrived.open();
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: () => this.#next(),
      return: () => {
        this.#leave();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #leave(): void {
    if (this.#left === undefined) return;
    this.#waiting = [];
    this.#bytes = 0;
    this.end();
    this.#left();
  }

  get #over(): boolean {
    return this.#ended || this.#failure !== undefined;
  }

  async #next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const head = this.#waiting.shift();
      if (head !== undefined) {
        this.#bytes -= head.bytes;
        this.#ask();
        return { done: false, value: head.message };
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return { done: true, value: undefined };
      await this.#arrived.wait();
    }
  }

  /** A loop, for the stream may answer `read` within the call. */
  #ask(): void {
    if (this.#asking) return;
    this.#asking = true;
    while (!this.#reading && !this.#over && this.#bytes < this.#limitBytes) {
      this.#reading = true;
      this.#read();
    }
    this.#asking = false;
  }
}
