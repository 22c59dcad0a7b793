import { Gate } from '@moldau/kernel';
import type { StreamMemory } from './call-memory.ts';
import type { Encoded } from './pieces.ts';
import type { RawStream } from './raw-stream.ts';

/** What every message costs beside its bytes, so that a flood of empty ones is bounded too. */
const messageCostBytes = 64;
/** Where memory is short, a stream buffers this part of what it may. */
const shortPart = 1 / 16;

/** Counts in bytes what is handed to a stream and not yet taken by the transport. */
export class Outbox {
  readonly #stream: RawStream;
  readonly #limitBytes: number;
  readonly #memory: StreamMemory;
  readonly #room = new Gate();
  #bytes = 0;
  #full = false;
  #closed = false;

  constructor(stream: RawStream, limitBytes: number, memory: StreamMemory) {
    this.#stream = stream;
    this.#limitBytes = limitBytes;
    this.#memory = memory;
  }

  /** False: full. Resume when `drained` resolves, at half of the limit. */
  send(bytes: Encoded): boolean {
    if (this.#closed) return false;
    const cost = bytes.length + messageCostBytes;
    this.#bytes += cost;
    this.#memory.unsent.hold(cost);
    this.#full ||= this.#bytes >= this.#roomBytes;
    this.#stream.send(bytes, () => this.#written(cost));
    return !this.#full;
  }

  /** True when the sender has not listened to `send`: far more is buffered than the limit and one message. */
  overrun(messageBytesMax: number): boolean {
    return this.#bytes > 4 * this.#limitBytes + messageBytesMax;
  }

  drained(): Promise<void> {
    return this.#full ? this.#room.wait() : Promise.resolve();
  }

  /** Nothing more will be sent: frees who waits. What lies in the transport is held until it is taken, or the call gone. */
  close(): void {
    this.#closed = true;
    this.#full = false;
    this.#room.open();
  }

  get #roomBytes(): number {
    return this.#memory.isShort ? this.#limitBytes * shortPart : this.#limitBytes;
  }

  #written(cost: number): void {
    this.#bytes -= cost;
    this.#memory.unsent.free(cost);
    if (!this.#full || this.#bytes > this.#roomBytes / 2) return;
    this.#full = false;
    this.#room.open();
  }
}
