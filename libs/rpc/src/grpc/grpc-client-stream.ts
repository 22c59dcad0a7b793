import type { ChannelInterface, Metadata } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Encoded } from '../pieces.ts';
import type { RawClientStream, RawListener } from '../raw-stream.ts';
import { fromGrpcStatus } from './grpc-status.ts';
import { libraryMessage } from './library-message.ts';

type LibraryCall = ReturnType<ChannelInterface['createCall']>;

/** Who looks on at a call. */
interface Onlooker {
  /** Told how many bytes each message has. */
  readonly moved: ((bytes: number) => void) | undefined;
  /** The call holds its place on the connection no more. Called once. */
  readonly over: () => void;
}

/**
 * A call of the library below its Node streams, which count messages where we count bytes. While it connects the library
 * keeps one message only: the next one is handed over when the last was taken.
 */
export class GrpcClientStream implements RawClientStream {
  readonly #call: LibraryCall;
  readonly #onMoved: ((bytes: number) => void) | undefined;
  #waiting: { readonly bytes: Encoded; readonly written: () => void }[] = [];
  #writing = false;
  #halfClosed = false;
  #over = false;

  constructor(call: LibraryCall, metadata: Metadata, listener: RawListener, { moved, over }: Onlooker) {
    this.#call = call;
    this.#onMoved = moved;
    call.start(metadata, {
      onReceiveMetadata() {},
      onReceiveMessage: (message: Buffer) => {
        moved?.(message.length);
        listener.message(message);
      },
      onReceiveStatus: (end) => {
        this.#over = true;
        this.#waiting = [];
        over();
        listener.closed(fromGrpcStatus(end));
      },
    });
  }

  send(bytes: Encoded, written: () => void): void {
    if (this.#over) return;
    if (this.#writing) this.#waiting.push({ bytes, written });
    else this.#write(bytes, written);
  }

  read(): void {
    if (!this.#over) this.#call.startRead();
  }

  halfClose(): void {
    this.#halfClosed = true;
    if (!this.#writing && !this.#over) this.#call.halfClose();
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting = [];
    this.#call.cancelWithStatus(status.CANCELLED, 'cancelled by the client');
  }

  #write(bytes: Encoded, written: () => void): void {
    this.#writing = true;
    const callback = (): void => {
      this.#writing = false;
      if (this.#over) return;
      written();
      const next = this.#waiting.shift();
      if (next !== undefined) this.#write(next.bytes, next.written);
      else if (this.#halfClosed) this.#call.halfClose();
    };
    this.#onMoved?.(bytes.length);
    this.#call.sendMessageWithContext({ callback }, libraryMessage(bytes));
  }
}
