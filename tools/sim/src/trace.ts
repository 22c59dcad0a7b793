import { createHash } from 'node:crypto';

const tailLines = 60;

/** Everything that happened in one history, in order: its hash tells two runs apart, its tail tells a person what came last. */
export class Trace {
  readonly #now: () => number;
  readonly #echo: ((line: string) => void) | undefined;
  readonly #hash = createHash('sha256');
  #tail: string[] = [];
  #lines = 0;

  constructor(now: () => number, echo?: (line: string) => void) {
    this.#now = now;
    this.#echo = echo;
  }

  get lines(): number {
    return this.#lines;
  }

  note(what: string): void {
    const line = `${this.#now().toFixed(3).padStart(12)}  ${what}`;
    this.#lines += 1;
    this.#hash.update(`${line}\n`);
    this.#tail.push(line);
    if (this.#tail.length > 2 * tailLines) this.#tail = this.#tail.slice(-tailLines);
    this.#echo?.(line);
  }

  tail(): string[] {
    return this.#tail.slice(-tailLines);
  }

  /** Ends the trace. */
  digest(): string {
    return this.#hash.digest('hex').slice(0, 16);
  }
}
