import { createHash } from 'node:crypto';

const tailLines = 60;
const flushLines = 512;

/** Everything that happened in one history, in order: its hash tells two runs apart, its tail tells a person what came last. */
export class Trace {
  readonly #now: () => number;
  readonly #echo: ((line: string) => void) | undefined;
  readonly #hash = createHash('sha256');
  /** The last lines; those before `#hashed` are in the hash. */
  #tail: string[] = [];
  #hashed = 0;
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
    this.#tail.push(line);
    if (this.#tail.length > flushLines) this.#flush();
    this.#echo?.(line);
  }

  tail(): string[] {
    return this.#tail.slice(-tailLines);
  }

  /** Ends the trace. */
  digest(): string {
    this.#flush();
    return this.#hash.digest('hex').slice(0, 16);
  }

  #flush(): void {
    this.#hash.update(this.#tail.slice(this.#hashed).join('\n'));
    this.#tail = this.#tail.slice(-tailLines);
    this.#hashed = this.#tail.length;
  }
}
