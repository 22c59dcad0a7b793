import { CruelFile } from './cruel-file.ts';
import type { SeededRandom } from './seeded-random.ts';

export type CruelNode = CruelFile | CruelDirectory;

/** One directory: the names that are seen, and those that survive power loss. */
export class CruelDirectory {
  names = new Map<string, CruelNode>();
  #synced = new Map<string, CruelNode>();

  sync(): void {
    this.#synced = new Map(this.names);
  }

  /** Power loss: each unsynced name, for itself, keeps its old or its new state; then the same below. */
  crash(random: SeededRandom): void {
    const after = new Map<string, CruelNode>();
    for (const name of [...new Set([...this.names.keys(), ...this.#synced.keys()])].sort()) {
      const seen = this.names.get(name);
      const synced = this.#synced.get(name);
      const kept = seen === synced || random.chance(0.5) ? seen : synced;
      if (kept !== undefined) after.set(name, kept);
    }
    this.names = after;
    this.sync();
    for (const node of after.values()) node.crash(random);
  }

  /** Bytes of all files below. */
  sizeBytes(): number {
    let sum = 0;
    for (const node of this.names.values()) sum += node instanceof CruelFile ? node.sizeBytes : node.sizeBytes();
    return sum;
  }
}
