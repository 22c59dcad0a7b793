/** Free buffers that are kept, at most. */
const keptMax = 16;

/** Memory of batches that are written, for the next ones: what is used again need not be collected. */
export class BatchBuffers {
  readonly #sizeBytes: number;
  readonly #free: Buffer[] = [];

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes);
  }

  /** Nobody may look at it any more. */
  giveBack(buffer: Buffer): void {
    // One that had to grow for a large record is not like the others.
    if (buffer.length === this.#sizeBytes && this.#free.length < keptMax) this.#free.push(buffer);
  }
}
