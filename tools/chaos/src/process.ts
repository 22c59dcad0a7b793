import { startApp, startBuilt } from '@moldau/testing/service-app';
import type { TiedProcess } from '@moldau/testing/tied-process';

/** One service as a process: it keeps its settings, and its processes come and go. */
export class ServiceProcess {
  readonly name: string;
  readonly port: number;
  readonly #app: string;
  readonly #flags: readonly string[];
  readonly #start: typeof startApp;
  #process: TiedProcess | undefined;

  /** `isBuilt`: it runs what `npm run build` has made. */
  constructor(name: string, app: string, port: number, flags: readonly string[], isBuilt = false) {
    this.name = name;
    this.port = port;
    this.#app = app;
    this.#start = isBuilt ? startBuilt : startApp;
    this.#flags = [...flags, '--listen-port', String(port), '--http-port', '0', '--log-format', 'pretty'];
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Of the running process. */
  get pid(): number {
    if (this.#process === undefined) throw new Error(`${this.name} was not started`);
    return this.#process.pid;
  }

  /** What the last process has logged, the last of it. */
  get said(): string {
    return this.#process?.said ?? '';
  }

  /** Starts a process, and resolves when it says that it is ready; rejects when it ends before. */
  async start(): Promise<void> {
    this.#process = this.#start(this.#app, this.#flags);
    try {
      await this.#process.says(/is ready/);
    } catch (cause) {
      throw new Error(`${this.name}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
  }

  /** SIGSTOP: its connections stay, and nobody answers. */
  pause(): void {
    this.#process?.pause();
  }

  /** SIGCONT. */
  resume(): void {
    this.#process?.resume();
  }

  /** SIGKILL: nothing is flushed, nothing is said. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** SIGTERM, and waits for the end. */
  async stop(): Promise<void> {
    await this.#process?.stop();
  }
}
