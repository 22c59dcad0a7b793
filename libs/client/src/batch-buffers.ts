/** Free buffers that are kept, at most. */
const keptMax = 16;
const leastBytes = 1024;

/** Memory of batches that are decided, for the next ones: what is used again need not be collected. */
export class BatchBuffers {
  readonly #sizeBytes: number;
  /** Whole ones that may be out at a time. */
  readonly #outMax: number;
  readonly #free: Buffer[] = [];
  #out = 0;

  /** For batches of that size, of a producer whose records may take `bufferBytes`: whole ones take no more than that either. */
  constructor(sizeBytes: number, bufferBytes: number) {
    this.#sizeBytes = sizeBytes;
    this.#outMax = Math.max(1, Math.floor(bufferBytes / sizeBytes));
  }

  /** For a batch that is likely to take so much: thousands of partitions that fill slowly hold no whole batch each. */
  take(bytes: number): Buffer {
    const likelyBytes = bytes + bytes / 4;
    if (likelyBytes < this.#sizeBytes / 2) return Buffer.allocUnsafeSlow(Math.ceil(Math.max(leastBytes, likelyBytes)));
    if (this.#out >= this.#outMax) return Buffer.allocUnsafeSlow(leastBytes);
    this.#out += 1;
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes);
  }

  /**
   * A batch is decided that began in a buffer of `takenBytes`. `room`: where it is, for the next one, if nobody may look at it any
   * more.
   */
  giveBack(takenBytes: number, room: Buffer | undefined): void {
    if (takenBytes !== this.#sizeBytes || this.#out === 0) return;
    this.#out -= 1;
    // It had to grow for a large record, and is not like the others.
    if (room?.length === this.#sizeBytes && this.#free.length < keptMax) this.#free.push(room);
  }
}
