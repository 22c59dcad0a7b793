const leastBytes = 1024;
/** Free buffers that are kept, at most. */
const keptMax = 16;

/** Memory of batches that are written, for the next ones: what is used again need not be collected. */
export class BatchBuffers {
  readonly #sizeBytes: number;
  readonly #free: Buffer[] = [];

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  /** For a batch that is likely to take so much: thousands of partitions that fill slowly hold no whole batch each. */
  take(bytes: number): Buffer {
    const likelyBytes = bytes + bytes / 4;
    if (likelyBytes < this.#sizeBytes / 2) return Buffer.allocUnsafeSlow(Math.max(leastBytes, Math.ceil(likelyBytes)));
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes);
  }

  /** Nobody may look at it any more. */
  giveBack(buffer: Buffer): void {
    // A small one, or one that had to grow for a large record, is not like the others.
    if (buffer.length === this.#sizeBytes && this.#free.length < keptMax) this.#free.push(buffer);
  }
}
