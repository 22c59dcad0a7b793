import { type CancelTimer, type Logger, MoldauError, repeat, type Timers } from '@moldau/kernel';
import type { GuardedFileSystem } from './guarded-file-system.ts';

/** How much room a data directory has. `low`: people should act. `full`: appends from clients are refused. */
export type DiskState = 'ok' | 'low' | 'full';

const lookEveryMs = 2_000;
const lowFraction = 0.15;
const fullFraction = 0.05;
const fullBytesMax = 2 * 1024 ** 3;

/** Watches the free space of a data directory. */
export class SpaceWatch {
  readonly #fs: GuardedFileSystem;
  readonly #directory: string;
  readonly #minFreeBytes: number | undefined;
  readonly #logger: Logger;
  readonly #cancel: CancelTimer;
  #state: DiskState = 'ok';
  #looking = false;
  #freeBytes = 0;
  #requiredBytes = 0;

  constructor(
    fs: GuardedFileSystem,
    directory: string,
    timers: Timers,
    logger: Logger,
    /** Absent: 5 % of the disk, at most 2 GiB. */
    minFreeBytes: number | undefined,
  ) {
    this.#fs = fs;
    this.#directory = directory;
    this.#minFreeBytes = minFreeBytes;
    this.#logger = logger;
    this.#cancel = repeat(timers, lookEveryMs, () => void this.look());
  }

  get state(): DiskState {
    return this.#state;
  }

  /** A write has found no room: no need to look. */
  noteFull(): void {
    this.#become('full');
  }

  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const { freeBytes, totalBytes } = await this.#fs.space(this.#directory);
      const minFreeBytes = this.#minFreeBytes ?? Math.min(totalBytes * fullFraction, fullBytesMax);
      this.#freeBytes = freeBytes;
      this.#requiredBytes = Math.round(minFreeBytes);
      if (freeBytes < minFreeBytes) this.#become('full');
      else this.#become(freeBytes < totalBytes * lowFraction ? 'low' : 'ok');
    } catch (error) {
      this.#logger.warn('could not ask for the free space', { directory: this.#directory, error: String(error) });
    } finally {
      this.#looking = false;
    }
  }

  /** Throws DISK_FULL while the disk is full. */
  require(): void {
    if (this.#state !== 'full') return;
    throw new MoldauError(
      'DISK_FULL',
      `the disk has ${this.#freeBytes} bytes left, and ${this.#requiredBytes} are kept free: make room, or shorten retention`,
      { free_bytes: this.#freeBytes, required_bytes: this.#requiredBytes },
    );
  }

  stop(): void {
    this.#cancel();
  }

  #become(state: DiskState): void {
    if (state === this.#state) return;
    this.#state = state;
    const fields = { directory: this.#directory, state };
    if (state === 'ok') this.#logger.info('the disk has room again', fields);
    else this.#logger.warn('the disk is running out of room', fields);
  }
}
