import { readFileSync } from 'node:fs';

const everyMs = 20;
/** Of the numbers in /proc, on every Linux that Node runs on. */
const ticksPerSecond = 100;
const userField = 11;
const systemField = 12;

/** Watches the processor time of another process while it lives. */
export class CpuWatch {
  readonly #path: string;
  readonly #timer: NodeJS.Timeout;
  #seconds = 0;

  constructor(pid: number) {
    this.#path = `/proc/${pid}/stat`;
    this.#timer = setInterval(() => this.#look(), everyMs);
    this.#look();
  }

  /** User and system time since its start; of a process that has ended: as it was at most 20 ms before. */
  get seconds(): number {
    this.#look();
    return this.#seconds;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    try {
      this.#seconds = cpuSecondsOf(readFileSync(this.#path, 'utf8'));
    } catch {
      // It has ended.
    }
  }
}

/** Of a line of /proc/PID/stat. The name of the program may hold anything, so fields count from its closing bracket. */
export function cpuSecondsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[userField]) + Number(fields[systemField])) / ticksPerSecond;
}
