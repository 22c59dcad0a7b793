import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** A client in a process of its own: it connects, says that it is ready, waits for the word, and prints what it found. */
export class ClientProcess<T> {
  readonly #child: Child;
  readonly #lines: AsyncIterator<string>;

  /** `script`: beside this file. `flags`: of Node. */
  constructor(script: string, args: object, flags: readonly string[] = []) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.#child = spawn(process.execPath, [...flags, path, JSON.stringify(args)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const kill = (): void => void this.#child.kill('SIGKILL');
    process.once('exit', kill);
    this.#child.once('exit', () => process.off('exit', kill));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when it has connected, with what it says of that. */
  async ready<R = unknown>(): Promise<R> {
    return JSON.parse(await this.#line()) as R;
  }

  /** Lets it begin. */
  go(): void {
    this.#child.stdin.write('go\n');
  }

  /** What it found. */
  async result(): Promise<T> {
    const result = JSON.parse(await this.#line()) as T;
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    return result;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done !== true) return value;
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    throw new Error(`${this.#child.spawnargs[1]} ended with ${this.#child.exitCode ?? this.#child.signalCode}`);
  }
}

/** Runs clients side by side: all begin when all are connected. */
export async function runTogether<T>(clients: readonly ClientProcess<T>[]): Promise<T[]> {
  try {
    await Promise.all(clients.map((client) => client.ready()));
    for (const client of clients) client.go();
    return await Promise.all(clients.map((client) => client.result()));
  } finally {
    for (const client of clients) client.kill();
  }
}

/** For a script: what it was given. */
export const given = <T>(): T => JSON.parse(process.argv[2] ?? '{}') as T;

/** For a script: says that it is connected, and waits for the word to begin. */
export async function connected(what: object = {}): Promise<void> {
  console.log(JSON.stringify(what));
  await once(process.stdin, 'data');
}

/** For a script: what it found. The process ends. */
export function found(result: object): void {
  console.log(JSON.stringify(result));
  process.stdin.destroy();
}
