import type { FileError } from '@moldau/kernel';
import type { SimulatedNode } from '@moldau/testing';
import type { World } from './world.ts';

/** Runs one storage node: starts its processes, ends them, and notices when one is of no use. */
export class Operator {
  readonly node: SimulatedNode;
  readonly #world: World;
  #starts = 0;
  #startFailed = false;
  #diskFailed = false;

  constructor(world: World, node: SimulatedNode) {
    this.#world = world;
    this.node = node;
  }

  get name(): string {
    return this.node.address;
  }

  /** Names the process that runs now, or ran last. */
  get start(): string {
    return `${this.name}.${this.#starts}`;
  }

  /** The last start has failed, or its disk: the process is of no use. */
  get isUseless(): boolean {
    return this.#startFailed || this.#diskFailed;
  }

  get startFailed(): boolean {
    return this.#startFailed;
  }

  get isServing(): boolean {
    return this.node.isRunning && !this.node.isPaused && this.node.service.isServing;
  }

  /** Starts a process in the background, unless one runs; it may die, or fail, before it serves. */
  run(): void {
    if (this.node.isRunning) return;
    this.#starts += 1;
    this.#diskFailed = false;
    const { start } = this;
    const { trace } = this.#world;
    trace.note(`start ${start}`);
    this.node.start().then(
      () => trace.note(`${start} serves`),
      (error: unknown) => {
        trace.note(`${start} could not start: ${error instanceof Error ? error.message : error}`);
        if (start !== this.start || !this.node.isRunning) return;
        this.#startFailed = true;
        if (this.#world.isHealed) this.again();
      },
    );
  }

  end(how: 'kill' | 'power'): void {
    this.#world.trace.note(`${this.name} ${how}`);
    this.#startFailed = false;
    this.node.kill(how);
  }

  again(): void {
    this.end('kill');
    this.run();
  }

  /** Hears of every operation of the disk that failed under the process of that start. */
  noteFailure(start: string, error: FileError): void {
    const { trace, oracle } = this.#world;
    if (error.code === 'EIO' || error.code === 'ENOSPC') trace.note(`${this.name} disk ${error.code} ${error.path}`);
    if (error.code !== 'EIO' || start !== this.start || this.#diskFailed) return;
    this.#diskFailed = true;
    if (this.node.isRunning) oracle.diskFailed(start, this.node.service);
  }
}
