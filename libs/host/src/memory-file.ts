const pageBytes = 256 * 1024;

/** Bytes in pages, so that growing never copies. Lives on while it is open, even without a name. */
export class MemoryFile {
  #pages: Uint8Array[] = [];
  #sizeBytes = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  append(chunk: Uint8Array): void {
    let from = 0;
    while (from < chunk.length) {
      const inPage = this.#sizeBytes % pageBytes;
      if (inPage === 0) this.#pages.push(new Uint8Array(pageBytes));
      const part = chunk.subarray(from, from + pageBytes - inPage);
      this.#pages.at(-1)?.set(part, inPage);
      this.#sizeBytes += part.length;
      from += part.length;
    }
  }

  read(position: number, target: Uint8Array): number {
    const end = Math.min(position + target.length, this.#sizeBytes);
    let at = position;
    while (at < end) {
      const inPage = at % pageBytes;
      const part = this.#pages[Math.floor(at / pageBytes)]?.subarray(inPage, Math.min(pageBytes, inPage + end - at));
      if (part === undefined) break;
      target.set(part, at - position);
      at += part.length;
    }
    return Math.max(0, at - position);
  }

  /** Shortens the file; one that is shorter stays as it is. */
  truncate(sizeBytes: number): void {
    if (sizeBytes >= this.#sizeBytes) return;
    this.#pages.length = Math.ceil(sizeBytes / pageBytes);
    this.#sizeBytes = sizeBytes;
  }
}
