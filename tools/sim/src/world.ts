import type { Moldau } from '@moldau/client';
import { type FileError, type Logger, type Millis, MoldauError, silentLogger, sleep } from '@moldau/kernel';
import type { Channel } from '@moldau/rpc';
import { MortalTimers, NetworkWeather, SeededRandom, SimulatedCluster, WatchedFileSystem } from '@moldau/testing';
import { Oracle } from './oracle/oracle.ts';
import { Violation } from './oracle/violation.ts';
import type { Trace } from './trace.ts';

const appendBudgetBytes = 512 * 1024;

/** A client's process: it can be held still. */
export interface Person {
  readonly name: string;
  readonly client: Moldau;
  /** Straight to the node, past the client's library. */
  readonly node: Channel;
  readonly timers: MortalTimers;
}

/** One simulated cluster with those who use it, those who break it, and the one who watches. */
export class World {
  /** For decisions of the workload and of the faults: what the cluster draws does not change them. */
  readonly random: SeededRandom;
  readonly cluster: SimulatedCluster;
  readonly weather: NetworkWeather;
  readonly trace: Trace;
  readonly oracle: Oracle;
  readonly people: Person[] = [];
  /** Writers begin nothing new once this is false. */
  isBusy = true;
  /** Nothing goes wrong any more: a start that an earlier fault has spoilt is tried again. */
  isHealed = false;
  /** What broke first. */
  broken: unknown;
  #starts = 0;
  #startFailed = false;
  #diskFailed = false;
  #ended = new Set<string>();

  constructor(seed: number, makeTrace: (now: () => number) => Trace) {
    this.random = new SeededRandom(seed ^ 0x5bd1e995);
    this.weather = new NetworkWeather(new SeededRandom(seed ^ 0x1b873593), { min: 0.05, max: 0.4 });
    this.cluster = new SimulatedCluster({
      seed,
      diskLatencyMs: { min: 0.05, max: 2 },
      conditions: this.weather.conditions,
      appendBudgetBytes,
      logger: bugLogger((error) => this.fail(error)),
      mount: (fs) => {
        const start = this.#starts;
        return new WatchedFileSystem(fs, (error) => this.#noteFailure(start, error));
      },
    });
    this.trace = makeTrace(() => this.cluster.time.monotonicMs());
    this.oracle = new Oracle(this.trace, appendBudgetBytes);
  }

  get diskFailed(): boolean {
    return this.#diskFailed;
  }

  /** Ends the history. */
  fail(error: unknown): void {
    this.broken ??= error;
  }

  person(name: string): Person {
    const timers = new MortalTimers(this.cluster.time);
    const node = this.cluster.network.dialer(name).dial(this.cluster.node().address, 'data');
    const person = { name, client: this.cluster.client(name, 10_000, timers), node, timers };
    this.people.push(person);
    return person;
  }

  /** Runs something in the background. What it throws ends the history. */
  background(name: string, task: () => Promise<void>): { readonly isOver: boolean } {
    const ended = this.#ended;
    task().then(
      () => ended.add(name),
      (error: unknown) => this.fail(error),
    );
    return {
      get isOver() {
        return ended.has(name);
      },
    };
  }

  sleep(ms: Millis, person?: Person): Promise<void> {
    return sleep(person?.timers ?? this.cluster.time, ms);
  }

  /** Lets time pass until `predicate` holds, and looks at everything after each event. */
  async until(what: string, predicate: () => boolean, maxMs: Millis): Promise<void> {
    const { time } = this.cluster;
    const isOver = (): boolean => {
      this.look();
      return this.broken !== undefined || predicate();
    };
    try {
      await time.runUntil(isOver, maxMs);
    } catch (error) {
      if (error instanceof Violation) throw error;
      throw this.broken ?? new Violation('liveness', `${what}: ${error instanceof Error ? error.message : error}`);
    }
    if (this.broken !== undefined) throw this.broken;
  }

  async runFor(ms: Millis): Promise<void> {
    let isOver = false;
    this.cluster.time.after(ms, () => {
      isOver = true;
    });
    await this.until('time passes', () => isOver, ms + 1);
  }

  look(): void {
    const { cluster } = this;
    this.oracle.look(this.#starts, cluster.node().isRunning ? cluster.node().service : undefined);
  }

  /** Starts the node in the background, unless it runs; it may die, or fail, before it serves. */
  startNode(): void {
    if (this.cluster.node().isRunning) return;
    this.#starts += 1;
    this.#diskFailed = false;
    const start = this.#starts;
    this.trace.note(`node start ${start}`);
    this.cluster
      .node()
      .start()
      .then(
        () => this.trace.note(`node ${start} serves`),
        (error: unknown) => {
          this.trace.note(`node ${start} could not start: ${error instanceof Error ? error.message : error}`);
          if (start !== this.#starts || !this.cluster.node().isRunning) return;
          this.#startFailed = true;
          if (this.isHealed) this.restartNode();
        },
      );
  }

  restartNode(): void {
    this.killNode('kill');
    this.startNode();
  }

  /** The last start of the node has failed: its process is of no use. */
  get startFailed(): boolean {
    return this.#startFailed;
  }

  /** Starts the coordinator in the background, unless it serves. */
  startCoordinator(): void {
    if (this.cluster.coordinator().isRunning) return;
    this.trace.note('coordinator start');
    this.cluster
      .coordinator()
      .start()
      .then(
        () => this.trace.note('the coordinator serves'),
        (error: unknown) => this.trace.note(`the coordinator could not start: ${error}`),
      );
  }

  killNode(how: 'kill' | 'power'): void {
    this.trace.note(`node ${how}`);
    this.#startFailed = false;
    this.cluster.node().kill(how);
  }

  #noteFailure(start: number, error: FileError): void {
    if (error.code === 'EIO' || error.code === 'ENOSPC') this.trace.note(`disk ${error.code} ${error.path}`);
    if (error.code !== 'EIO' || start !== this.#starts || this.#diskFailed) return;
    this.#diskFailed = true;
    if (this.cluster.node().isRunning) this.oracle.diskFailed(start, this.cluster.node().service);
  }
}

/** Hears of bugs that a service has caught, and reported to nobody but its log. */
function bugLogger(found: (error: unknown) => void): Logger {
  const look = (fields: Readonly<Record<string, unknown>> = {}): void => {
    for (const field of [fields.error, fields.cause]) {
      if (field instanceof Error && !(field instanceof MoldauError) && isBug(field)) found(field);
    }
  };
  const logger: Logger = {
    ...silentLogger,
    warn: (_message, fields) => look(fields),
    error: (_message, fields) => look(fields),
    with: () => logger,
  };
  return logger;
}

const isBug = (error: Error): boolean =>
  ['AssertionFailed', 'TypeError', 'RangeError', 'ReferenceError', 'SyntaxError'].includes(error.name);
