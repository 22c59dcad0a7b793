import { forEachParallel } from './slots.ts';

/** Something with unsynced writes. `sync` settles its own errors. */
export interface Syncable {
  sync(): Promise<void>;
}

const filesAtOnce = 16;

/**
 * Group commit for a data directory: one round in flight, which syncs everything that was dirty when it began, several
 * files at a time. Each file is acknowledged as it completes; what is written meanwhile rides on the next round.
 */
export class SyncRounds {
  #dirty = new Set<Syncable>();
  #running: Promise<void> | undefined;

  request(item: Syncable): void {
    this.#dirty.add(item);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is dirty any more. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // What was written in the same turn shall be in the same round.
    await Promise.resolve();
    while (this.#dirty.size > 0) {
      const round = this.#dirty;
      this.#dirty = new Set();
      await forEachParallel(round, filesAtOnce, (item) => item.sync());
    }
    this.#running = undefined;
  }
}
