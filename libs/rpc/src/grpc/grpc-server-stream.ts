import type { ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { MoldauError, type Timers } from '@moldau/kernel';
import type { CallMemory } from '../call-memory.ts';
import { toStatus } from '../errors.ts';
import type { Encoded } from '../pieces.ts';
import { okStatus, type RawListener, type RawServerStream, type WireStatus } from '../raw-stream.ts';
import type { Incoming } from '../service-host.ts';
import { forwardedKey } from './forwarded-header.ts';
import type { GrpcServerOptions } from './grpc-server.ts';
import { toGrpcStatus } from './grpc-status.ts';
import type { HeldStream } from './held-stream.ts';
import { libraryMessage } from './library-message.ts';

/** How long a status has to go out, and the client to end its side, before the stream is reset. */
const farewellMs = 100;

/** A call on the server below the library's Node streams, which count messages where we count bytes. */
export class GrpcServerStream implements RawServerStream {
  readonly #call: ServerInterceptingCallInterface;
  readonly #held: HeldStream;
  readonly #timers: Timers;
  readonly #onMoved: GrpcServerOptions['onMoved'];
  #listener: RawListener | undefined;
  #finished = false;
  #failed = false;
  #peerEnded = false;

  /** `accept` gets the stream and what is known of the caller when the headers are there. */
  constructor(
    call: ServerInterceptingCallInterface,
    held: HeldStream,
    { clock, timers, onMoved }: Pick<GrpcServerOptions, 'clock' | 'timers' | 'onMoved'>,
    accept: (stream: GrpcServerStream, incoming: Incoming) => void,
  ) {
    this.#call = call;
    this.#held = held;
    this.#timers = timers;
    this.#onMoved = onMoved;
    held.takenOver();
    call.start({
      onReceiveMetadata: (metadata) => {
        if (held.isCompressed) return this.finish(toStatus(compressed()));
        const [authorization] = metadata.get('authorization');
        accept(this, {
          authority: call.getHost(),
          peer: call.getPeer(),
          forwarded: metadata.get(forwardedKey).length > 0,
          timeoutMs: remainingMs(call.getDeadline(), clock.wallMs()),
          credentials: {
            token: typeof authorization === 'string' ? /^bearer (.+)$/i.exec(authorization)?.[1] : undefined,
            certificateName: call.getAuthContext().sslPeerCertificate?.subject.CN,
          },
        });
      },
      onReceiveMessage: (message: Buffer) => {
        held.delivered(message.length);
        onMoved?.(message.length);
        this.#listener?.message(message);
      },
      onReceiveHalfClose: () => {
        this.#peerEnded = true;
        this.#listener?.ended();
      },
      onCancel: () => {
        held.discard();
        // Else a client that does not care would be read for nothing, for ever.
        if (this.#failed && !this.#peerEnded) timers.after(farewellMs, () => held.reset());
        this.#listener?.closed(okStatus);
      },
    });
  }

  get memory(): CallMemory {
    return this.#held.memory;
  }

  start(listener: RawListener): void {
    this.#listener = listener;
  }

  send(bytes: Encoded, written: () => void): void {
    this.#onMoved?.(bytes.length);
    this.#call.sendMessage(libraryMessage(bytes), written);
  }

  read(): void {
    this.#call.startRead();
  }

  finish(status: WireStatus): void {
    this.#finished = true;
    this.#failed = status.code !== okStatus.code;
    this.#call.sendStatus(toGrpcStatus(status));
  }

  abort(status: WireStatus): void {
    // A status goes out behind everything else: what the peer does not take would hold it back for ever.
    if (this.#finished || this.#held.hasUnsent) return this.#held.reset();
    this.finish(status);
    this.#timers.after(farewellMs, () => this.#held.reset());
  }
}

const compressed = (): MoldauError =>
  new MoldauError('UNIMPLEMENTED', 'messages are not taken compressed: compress the record batches instead');

function remainingMs(deadline: Date | number, nowMs: number): number | undefined {
  const atMs = Number(deadline);
  return Number.isFinite(atMs) ? Math.max(0, atMs - nowMs) : undefined;
}
