import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Gate } from '@moldau/kernel';
import { spawnTied, type TiedSetup } from './tied-child.ts';

const charactersKept = 100_000;
const saysWithinMs = 60_000;

/** A program that was started, and dies with this process, or with the thread of it that called. It tells how it is on stderr; on stdout, too, where that is read. */
export class TiedProcess {
  readonly #child: ChildProcess;
  readonly #heard = new Gate();
  readonly #over: Promise<unknown>;
  #said = '';
  #isOver = false;

  constructor(program: string, args: readonly string[], setup: TiedSetup = {}) {
    this.#child = spawnTied(program, args, setup);
    this.#over = once(this.#child, 'close').then(() => {
      this.#isOver = true;
      this.#heard.open();
    });
    // What it says is read to its end: a full pipe would stop it.
    for (const stream of [this.#child.stderr, this.#child.stdout]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-charactersKept);
        this.#heard.open();
      });
    }
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('it was not started');
    return this.#child.pid;
  }

  /** What it has said, the last of it. */
  get said(): string {
    return this.#said;
  }

  /** Resolves with what it says of that, once it has. Rejects when it ends before, or says nothing of it for a minute. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#heard.open();
    }, saysWithinMs);
    try {
      for (;;) {
        const found = pattern.exec(this.#said);
        if (found !== null) return found;
        if (this.#isOver) throw new Error(`it ended with ${this.#child.exitCode}, without ${pattern}:\n${this.#said}`);
        if (isLate) throw new Error(`it did not say ${pattern} in ${saysWithinMs} ms:\n${this.#said}`);
        await this.#heard.wait();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** What it ends with. -1: a signal. */
  async ended(): Promise<number> {
    await this.#over;
    return this.#child.exitCode ?? -1;
  }

  /** SIGSTOP: its connections stay, and nobody answers. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  /** SIGCONT. */
  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** SIGKILL: nothing is flushed, nothing is said. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** SIGTERM, and waits for the end. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#child.kill(signal);
    // One that was paused ends, too.
    this.#child.kill('SIGCONT');
    await this.#over;
  }
}
