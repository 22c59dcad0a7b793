import type { ServerInterceptingCallInterface } from '@grpc/grpc-js';
import type { Clock } from '@moldau/kernel';
import { okStatus, type RawListener, type RawServerStream, type WireStatus } from '../raw-stream.ts';
import type { Incoming } from '../service-host.ts';
import { forwardedKey } from './forwarded-header.ts';
import { asBuffer, toGrpcStatus } from './grpc-status.ts';

/** A call on the server below the library's Node streams, which count messages where we count bytes. */
export class GrpcServerStream implements RawServerStream {
  readonly #call: ServerInterceptingCallInterface;
  #listener: RawListener | undefined;

  /** `accept` gets the stream and what is known of the caller when the headers are there. */
  constructor(
    call: ServerInterceptingCallInterface,
    clock: Clock,
    accept: (stream: GrpcServerStream, incoming: Incoming) => void,
  ) {
    this.#call = call;
    call.start({
      onReceiveMetadata: (metadata) => {
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
      onReceiveMessage: (message: Buffer) => this.#listener?.message(message),
      onReceiveHalfClose: () => this.#listener?.ended(),
      onCancel: () => this.#listener?.closed(okStatus),
    });
  }

  start(listener: RawListener): void {
    this.#listener = listener;
  }

  send(bytes: Uint8Array, written: () => void): void {
    this.#call.sendMessage(asBuffer(bytes), written);
  }

  read(): void {
    this.#call.startRead();
  }

  finish(status: WireStatus): void {
    this.#call.sendStatus(toGrpcStatus(status));
  }
}

function remainingMs(deadline: Date | number, nowMs: number): number | undefined {
  const atMs = Number(deadline);
  return Number.isFinite(atMs) ? Math.max(0, atMs - nowMs) : undefined;
}
