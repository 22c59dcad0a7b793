import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { spawnTied } from '@moldau/testing/tied-child';

const apps = fileURLToPath(new URL('../../../apps', import.meta.url));
const readyWithinMs = 30_000;
const kept = 100_000;

/** One service as a process: it keeps its settings, and its processes come and go. */
export class ServiceProcess {
  readonly name: string;
  readonly port: number;
  readonly #app: string;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  #said = '';

  constructor(name: string, app: string, port: number, flags: readonly string[]) {
    this.name = name;
    this.port = port;
    this.#app = app;
    this.#flags = [...flags, '--listen-port', String(port), '--http-port', '0', '--log-format', 'pretty'];
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** What it has logged, the last of it. */
  get said(): string {
    return this.#said;
  }

  /** Starts a process, and resolves when it says that it is ready; rejects when it ends before. */
  async start(): Promise<void> {
    const child = spawnTied(process.execPath, [`${apps}/${this.#app}/src/main.ts`, ...this.#flags]);
    this.#child = child;
    this.#said = '';
    const ready = new Promise<void>((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`${this.name} is not ready after ${readyWithinMs} ms:\n${this.#said}`)),
        readyWithinMs,
      );
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-kept);
        if (!this.#said.includes('is ready')) return;
        clearTimeout(late);
        resolve();
      });
      child.once('exit', (code) => {
        clearTimeout(late);
        reject(new Error(`${this.name} ended with ${code}:\n${this.#said}`));
      });
    });
    await ready;
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
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
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    child.kill('SIGCONT');
    await exited;
  }
}
