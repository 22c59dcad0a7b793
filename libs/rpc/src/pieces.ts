/**
 * A message in pieces that lie in different places of memory: it is copied once, when it leaves. Until then none of them may
 * change.
 */
export class Pieces {
  readonly length: number;
  readonly #pieces: readonly Uint8Array[];

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    this.length = pieces.reduce((sum, { length }) => sum + length, 0);
  }

  /** Writes all of it at `at`. */
  copyTo(target: Uint8Array, at: number): void {
    let next = at;
    for (const piece of this.#pieces) {
      target.set(piece, next);
      next += piece.length;
    }
  }
}

/** A message as it is to leave. */
export type Encoded = Uint8Array | Pieces;

/** A copy of the message, in one piece. */
export function inOnePiece(message: Encoded): Uint8Array {
  if (message instanceof Uint8Array) return new Uint8Array(message);
  const whole = Buffer.allocUnsafeSlow(message.length);
  message.copyTo(whole, 0);
  return whole;
}
