import { faults, MoldauError } from '@moldau/kernel';
import type { StreamMemory } from './call-memory.ts';
import { Inbox } from './inbox.ts';
import type { Limits } from './limits.ts';
import { Outbox } from './outbox.ts';
import type { Encoded } from './pieces.ts';
import type { RawStream } from './raw-stream.ts';
import type { Session } from './transport.ts';

/** What differs between the two ends of a session. */
export interface SessionEnd<Out, In> {
  encode(message: Out): Encoded;
  /** Throws a MoldauError on nonsense. */
  decode(bytes: Uint8Array): In;
  readonly sendBytesMax: number;
  /** No more will be sent. */
  end(): void;
  /** Breaks the call; `error` tells the peer why, where it can be told. */
  break(error: Error): void;
  readonly memory: StreamMemory;
}

/** A session over any stream. Its owner passes on what the stream says by `received`, `peerEnded` and `over`. */
export class StreamSession<Out, In> implements Session<Out, In> {
  readonly #end: SessionEnd<Out, In>;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox<In>;
  readonly #controller = new AbortController();
  #ended = false;

  constructor(stream: RawStream, end: SessionEnd<Out, In>, limits: Limits) {
    this.#end = end;
    this.#outbox = new Outbox(stream, limits.sendBufferBytes, end.memory);
    this.#inbox = new Inbox<In>({
      read: () => stream.read(),
      decode: (bytes) => this.#decode(bytes),
      limitBytes: limits.receiveBufferBytes,
      memory: end.memory,
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get incoming(): AsyncIterable<In> {
    return this.#inbox;
  }

  start(): void {
    this.#inbox.start();
  }

  send(message: Out): boolean {
    if (this.#ended || this.signal.aborted) return false;
    const bytes = this.#end.encode(message);
    if (bytes.length > this.#end.sendBytesMax) {
      this.cancel(
        faults.invalidRequest('the message', `is ${bytes.length} bytes, more than ${this.#end.sendBytesMax}`),
      );
      return false;
    }
    const room = this.#outbox.send(bytes);
    if (this.#outbox.overrun(this.#end.sendBytesMax)) {
      this.cancel(faults.overloaded('the send buffer of the session', this.#end.sendBytesMax));
    }
    return room;
  }

  drained(): Promise<void> {
    return this.#outbox.drained();
  }

  end(): void {
    if (this.#ended || this.signal.aborted) return;
    this.#ended = true;
    this.#end.end();
  }

  cancel(error: Error = new MoldauError('NOT_SERVING', 'the session was closed: open another one')): void {
    if (this.signal.aborted) return;
    this.#end.break(error);
    this.lost(error);
  }

  /** The call was broken off: nothing that waits is read any more. */
  lost(error: Error): void {
    this.#inbox.abandon(error);
    this.#close(error);
  }

  /** A message arrived. */
  received(bytes: Uint8Array): void {
    this.#inbox.push(bytes);
  }

  /** The peer sends no more. */
  peerEnded(): void {
    this.#inbox.end();
  }

  /** The call is over; `error`, if it broke. */
  over(error: Error | undefined): void {
    if (error === undefined) this.#inbox.end();
    else this.#inbox.fail(error);
    this.#close(error);
  }

  #decode(bytes: Uint8Array): In {
    try {
      return this.#end.decode(bytes);
    } catch (error) {
      this.cancel(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  #close(error: Error | undefined): void {
    if (this.signal.aborted) return;
    this.#outbox.close();
    this.#controller.abort(error);
  }
}
