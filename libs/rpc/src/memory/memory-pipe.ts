import type { Millis, Timers } from '@moldau/kernel';
import type { WireStatus } from '../raw-stream.ts';

/** What travels in one direction of a stream. Nothing follows `over`. */
export type Item =
  | { readonly kind: 'open' }
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  | { readonly kind: 'ended' }
  | { readonly kind: 'over'; readonly status: WireStatus };

/** What the network does with an item: brings it after a while, keeps it until it is asked again, or breaks the connection. */
export type Passage = { readonly delayMs: Millis } | 'hold' | 'drop-connection';

/** What a pipe needs of its stream. */
export interface PipeEnds {
  /** How the next `bytes` pass. */
  passage(bytes: number): Passage;
  /** An item has arrived; a message only when it was asked for. */
  deliver(item: Item): void;
  /** The network broke the connection. */
  dropped(): void;
}

interface Travelling {
  readonly item: Item;
  state: 'held' | 'under-way' | 'arrived';
}

interface Waiting {
  readonly item: Item;
  readonly admitted: () => void;
}

const sizeOf = (item: Item): number => (item.kind === 'message' ? item.bytes.length : 0);

/**
 * One direction of a stream: in order, each item after its own delay, and no more bytes under way or unread than the window,
 * of which one message may be more. An error that has arrived overtakes messages that nobody has read, as it does in gRPC.
 */
export class MemoryPipe {
  readonly #timers: Timers;
  readonly #windowBytes: number;
  readonly #ends: PipeEnds;
  /** Sent, and no room in the window yet. */
  #waiting: Waiting[] = [];
  #items: Travelling[] = [];
  #windowUsedBytes = 0;
  #reads = 0;
  #failing = false;
  /** An `over` has left the sender: a reset comes too late to change it. */
  #isOver = false;
  #closed = false;

  constructor(timers: Timers, windowBytes: number, ends: PipeEnds) {
    this.#timers = timers;
    this.#windowBytes = windowBytes;
    this.#ends = ends;
  }

  /** `admitted` is called when the item has left the sender. */
  send(item: Item, admitted: () => void): void {
    if (this.#closed || this.#isOver) return;
    this.#waiting.push({ item, admitted });
    this.#admit();
  }

  /** Ends the direction at once: what has not left the sender is lost. */
  reset(status: WireStatus): void {
    this.#waiting = [];
    this.send({ kind: 'over', status }, () => {});
  }

  /** The receiver wants one more message. */
  read(): void {
    this.#reads += 1;
    this.#pump();
  }

  /** Asks the network again about what it held. */
  release(): void {
    for (const held of this.#items.filter((one) => one.state === 'held')) this.#pass(held);
  }

  /** Nothing is delivered any more. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#items = [];
  }

  #admit(): void {
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      const bytes = sizeOf(head.item);
      if (this.#windowUsedBytes > 0 && this.#windowUsedBytes + bytes > this.#windowBytes && bytes > 0) return;
      this.#waiting.shift();
      this.#windowUsedBytes += bytes;
      this.#isOver ||= head.item.kind === 'over';
      this.#failing ||= head.item.kind === 'over' && head.item.status.code !== 0;
      const travelling: Travelling = { item: head.item, state: 'held' };
      this.#items.push(travelling);
      queueMicrotask(head.admitted);
      this.#pass(travelling);
      if (this.#closed) return;
    }
  }

  #pass(travelling: Travelling): void {
    const passage = this.#ends.passage(sizeOf(travelling.item));
    if (passage === 'hold') return;
    if (passage === 'drop-connection') {
      this.#ends.dropped();
      return;
    }
    travelling.state = 'under-way';
    const arrive = (): void => {
      travelling.state = 'arrived';
      this.#pump();
    };
    if (passage.delayMs === 0) queueMicrotask(arrive);
    else this.#timers.after(passage.delayMs, arrive);
  }

  #pump(): void {
    if (this.#failing) this.#overtake();
    for (let head = this.#items[0]; head?.state === 'arrived'; head = this.#items[0]) {
      const { item } = head;
      if (item.kind === 'message') {
        if (this.#reads === 0) return;
        this.#reads -= 1;
        this.#windowUsedBytes -= item.bytes.length;
      }
      this.#items.shift();
      this.#ends.deliver(item);
      this.#admit();
    }
  }

  /** Once an error and all before it have arrived, the unread messages are lost. */
  #overtake(): void {
    const last = this.#items.at(-1);
    if (last?.item.kind !== 'over' || this.#items.some((one) => one.state !== 'arrived')) return;
    this.#items = this.#items.filter((one) => one.item.kind !== 'message');
  }
}
