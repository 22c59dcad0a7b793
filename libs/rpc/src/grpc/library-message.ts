import type { Encoded, Pieces } from '../pieces.ts';
import { asBuffer } from './grpc-status.ts';

/**
 * What the library does with a message that is to leave: it asks for the length, and copies it behind five bytes of its own
 * into a new buffer. So a message in pieces is handed over as something that can do just that, and is copied once and not
 * twice. The contract of the transports is tested over sockets with such messages.
 */
class LibraryMessage {
  readonly length: number;
  /** The server's side asks for this one. */
  readonly byteLength: number;
  readonly #pieces: Pieces;

  constructor(pieces: Pieces) {
    this.#pieces = pieces;
    this.length = pieces.length;
    this.byteLength = pieces.length;
  }

  copy(target: Buffer, at: number): void {
    this.#pieces.copyTo(target, at);
  }
}

/** A message as grpc-js takes it. */
export function libraryMessage(message: Encoded): Buffer {
  if (message instanceof Uint8Array) return asBuffer(message);
  const enough: unknown = new LibraryMessage(message);
  return enough as Buffer;
}
