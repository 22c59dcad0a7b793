import type { SeededRandom } from './seeded-random.ts';

export const sectorBytes = 512;

/** One file: what the page cache shows, what the platter holds, and which sectors differ on their way down. */
export class CruelFile {
  #bytes = new Uint8Array(0);
  #sizeBytes = 0;
  #synced = new Uint8Array(0);
  #syncedSize = 0;
  readonly #dirty = new Set<number>();

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  read(position: number, target: Uint8Array): number {
    const part = this.#bytes.subarray(position, Math.min(this.#sizeBytes, position + target.length));
    target.set(part);
    return part.length;
  }

  append(bytes: Uint8Array): void {
    this.#reserve(this.#sizeBytes + bytes.length);
    this.#bytes.set(bytes, this.#sizeBytes);
    this.#touch(this.#sizeBytes, this.#sizeBytes + bytes.length);
    this.#sizeBytes += bytes.length;
  }

  truncate(sizeBytes: number): void {
    const grown = sizeBytes - this.#sizeBytes;
    if (grown > 0) return this.append(new Uint8Array(grown));
    this.#bytes.fill(0, sizeBytes, this.#sizeBytes);
    this.#touch(sizeBytes, this.#sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  sync(): void {
    if (this.#synced.length < this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length);
      grown.set(this.#synced);
      this.#synced = grown;
    }
    for (const sector of this.#dirty) {
      const from = sector * sectorBytes;
      this.#synced.set(this.#bytes.subarray(from, Math.min(from + sectorBytes, this.#synced.length)), from);
    }
    this.#dirty.clear();
    this.#syncedSize = this.#sizeBytes;
  }

  /** What Linux does after a failed fsync: the pages count as clean, and never reach the platter. */
  forgetDirty(): void {
    this.#dirty.clear();
  }

  /** Power loss: each unsynced sector, and the size, keeps its old or its new state. */
  crash(random: SeededRandom): void {
    const after = this.#sizeAfterCrash(random);
    const bytes = new Uint8Array(Math.max(after, this.#bytes.length, this.#synced.length));
    bytes.set(this.#synced.subarray(0, Math.min(this.#syncedSize, this.#synced.length)));
    for (const sector of this.#dirty) {
      if (random.chance(0.5)) continue;
      const from = sector * sectorBytes;
      bytes.set(this.#bytes.subarray(from, Math.min(from + sectorBytes, this.#bytes.length)), from);
    }
    bytes.fill(0, after);
    this.#bytes = bytes;
    this.#sizeBytes = after;
    this.#synced = bytes.slice();
    this.#syncedSize = after;
    this.#dirty.clear();
  }

  /** Rot: it is on the platter and in the cache. */
  flipBit(at: number): void {
    for (const image of [this.#bytes, this.#synced]) {
      const byte = image[at >>> 3];
      if (byte !== undefined) image[at >>> 3] = byte ^ (1 << (at & 7));
    }
  }

  /** Someone cut the file behind our back. */
  cut(sizeBytes: number): void {
    this.truncate(sizeBytes);
    this.sync();
  }

  #sizeAfterCrash(random: SeededRandom): number {
    if (this.#dirty.size === 0 || this.#sizeBytes === this.#syncedSize) return this.#syncedSize;
    const kind = random.below(3);
    if (kind === 0) return this.#syncedSize;
    if (kind === 1 || this.#sizeBytes < this.#syncedSize) return this.#sizeBytes;
    return this.#syncedSize + random.below(this.#sizeBytes - this.#syncedSize);
  }

  #touch(from: number, to: number): void {
    for (let sector = Math.floor(from / sectorBytes); sector * sectorBytes < to; sector += 1) this.#dirty.add(sector);
  }

  #reserve(sizeBytes: number): void {
    if (sizeBytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(sizeBytes, this.#bytes.length * 2, 1024));
    grown.set(this.#bytes.subarray(0, this.#sizeBytes));
    this.#bytes = grown;
  }
}
