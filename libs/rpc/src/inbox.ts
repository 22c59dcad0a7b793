import { Gate } from '@moldau/kernel';
import type { StreamMemory } from './call-memory.ts';

/** What every message costs beside its bytes: keeps the number of small ones bounded too. */
const messageCostBytes = 64;

/** What an inbox works with. */
export interface InboxOptions<T> {
  /** Asks the stream for one message. */
  readonly read: () => void;
  /** Throws what the reader is to get instead. */
  readonly decode: (bytes: Uint8Array) => T;
  /** What is read ahead of the reader. */
  readonly limitBytes: number;
  readonly memory: StreamMemory;
  /** Present: a reader that leaves its loop early ends everything. */
  readonly left?: () => void;
}

/**
 * Messages that have arrived and wait for their one reader. Asks the stream for more only while there is room. They wait as
 * bytes: decoded, many small fields take forty times as much. One counts as held until the reader comes for the next: while
 * he waits for something, he has it.
 */
export class Inbox<T> implements AsyncIterable<T> {
  readonly #options: InboxOptions<T>;
  readonly #arrived = new Gate();
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #givenBytes = 0;
  #ended = false;
  #failure: Error | undefined;
  #reading = false;
  #asking = false;

  constructor(options: InboxOptions<T>) {
    this.#options = options;
  }

  /** Begins to read. */
  start(): void {
    this.#ask();
  }

  /** The answer to `read`. */
  push(message: Uint8Array): void {
    this.#reading = false;
    if (this.#over) return;
    this.#waiting.push(message);
    this.#bytes += costOf(message);
    this.#options.memory.received.hold(costOf(message));
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
    this.#drop();
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
    const { left } = this.#options;
    if (left === undefined) return;
    this.#drop();
    this.end();
    left();
  }

  #drop(): void {
    this.#options.memory.received.free(this.#bytes);
    this.#waiting = [];
    this.#bytes = 0;
  }

  get #over(): boolean {
    return this.#ended || this.#failure !== undefined;
  }

  async #next(): Promise<IteratorResult<T, undefined>> {
    this.#options.memory.received.free(this.#givenBytes);
    this.#givenBytes = 0;
    for (;;) {
      const head = this.#waiting.shift();
      if (head !== undefined) {
        this.#givenBytes = costOf(head);
        this.#bytes -= this.#givenBytes;
        this.#ask();
        return { done: false, value: this.#options.decode(head) };
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
    const { read, limitBytes } = this.#options;
    while (!this.#reading && !this.#over && this.#bytes < limitBytes) {
      this.#reading = true;
      read();
    }
    this.#asking = false;
  }
}

const costOf = (message: Uint8Array): number => message.length + messageCostBytes;
