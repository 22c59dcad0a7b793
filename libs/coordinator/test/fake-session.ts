import { Gate } from '@moldau/kernel';
import type { Session } from '@moldau/rpc';

/** One end of a stream in memory: what the other end sends comes out of `incoming`. */
export class FakeSession<Out, In> implements Session<Out, In> {
  readonly #gate = new Gate();
  readonly #received: In[] = [];
  readonly #over = new AbortController();
  #peer: FakeSession<In, Out> | undefined;
  #ended = false;
  #error: Error | undefined;

  static pair<A, B>(): [FakeSession<A, B>, FakeSession<B, A>] {
    const [one, two] = [new FakeSession<A, B>(), new FakeSession<B, A>()];
    one.#peer = two;
    two.#peer = one;
    return [one, two];
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  get incoming(): AsyncIterable<In> {
    return this.#read();
  }

  send(message: Out): boolean {
    const peer = this.#peer;
    if (this.signal.aborted || peer === undefined) return true;
    peer.#received.push(message);
    peer.#gate.open();
    return true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  end(): void {
    if (this.#peer === undefined) return;
    this.#peer.#ended = true;
    this.#peer.#gate.open();
    if (this.#ended) this.#close();
  }

  cancel(error: Error = new Error('cancelled')): void {
    if (this.#peer !== undefined) this.#peer.#error ??= error;
    this.#error ??= error;
    this.#close();
  }

  #close(): void {
    this.#finish();
    const peer = this.#peer;
    if (peer !== undefined) peer.#finish();
  }

  #finish(): void {
    this.#over.abort();
    this.#gate.open();
  }

  async *#read(): AsyncGenerator<In> {
    for (;;) {
      const message = this.#received.shift();
      if (message !== undefined) yield message;
      else if (this.#error !== undefined) throw this.#error;
      else if (this.#ended || this.signal.aborted) return;
      else await this.#gate.wait();
    }
  }
}
