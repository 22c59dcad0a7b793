import type { Writable } from 'node:stream';
import { write } from './io.ts';

const fullBytes = 64 * 1024;

/** Gathers small writes: a system call a record would cost more than the record. Nothing stays longer than one turn. */
export class OutputBuffer {
  readonly #stream: Writable;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Nobody reads any more. */
  get isClosed(): boolean {
    return this.#stream.destroyed;
  }

  /** Takes bytes. Waits while the reader is slower than we are. */
  async add(piece: Uint8Array): Promise<void> {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes >= fullBytes || this.#stream.writableNeedDrain) return this.flush();
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      void this.flush();
    });
  }

  async flush(): Promise<void> {
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#pieces.length === 0) return;
    const bytes = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    await write(this.#stream, bytes);
  }
}
