import { Gate } from '@moldau/kernel';
import type { RawStream } from './raw-stream.ts';

/** What every message costs beside its bytes, so that a flood of empty ones is bounded too. */
const messageCostBytes = 64;

/** Counts in bytes what is handed to a stream and not yet taken by the transport. */
export class Outbox {
  readonly #stream: RawStream;
  readonly #limitBytes: number;
  readonly #room = new Gate();
  #bytes = 0;
  #full = false;
  #closed = false;

  constructor(stream: RawStream, limitBytes: number) {
    this.#stream = stream;
    this.#limitBytes = limitBytes;
  }

  /** False: full. Resume when `drained` resolves, at half of the limit. */
  send(bytes: Uint8Array): boolean {
    if (this.#closed) return false;
    const cost = bytes.length + messageCostBytes;
    this.#bytes += cost;
    this.#full ||= this.#bytes >= this.#limitBytes;
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

  /** Nothing will be taken any more: frees who waits. */
  close(): void {
    this.#closed = true;
    this.#full = false;
    this.#room.open();
  }

  #written(cost: number): void {
    this.#bytes -= cost;
    if (!this.#full || this.#bytes > this.#limitBytes / 2) return;
    this.#full = false;
    this.#room.open();
  }
}
