import { readFileSync } from 'node:fs';

const everyMs = 20;
const KiB = 1024;

/** Watches the resident memory of another process while it lives. */
export class MemoryWatch {
  readonly #path: string;
  readonly #timer: NodeJS.Timeout;
  #peakBytes = 0;
  #lastBytes = 0;

  constructor(pid: number) {
    this.#path = `/proc/${pid}/status`;
    this.#timer = setInterval(() => this.#look(), everyMs);
    this.#look();
  }

  /** The most that it ever had, as the kernel says; of a process that has ended: as it said at most 20 ms before. */
  get peakMiB(): number {
    this.#look();
    return this.#peakBytes / 2 ** 20;
  }

  /** What it has now, or had last. */
  get residentMiB(): number {
    this.#look();
    return this.#lastBytes / 2 ** 20;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const status = statusOf(this.#path);
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
    const resident = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
    if (peak !== undefined) this.#peakBytes = Number(peak) * KiB;
    if (resident !== undefined) this.#lastBytes = Number(resident) * KiB;
  }
}

function statusOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended.
    return '';
  }
}
