import { Moldau } from '@moldau/client';
import { type Logger, type Millis, MoldauError, silentLogger, sleep } from '@moldau/kernel';
import type { Channel, Dialer } from '@moldau/rpc';
import {
  MortalTimers,
  NetworkWeather,
  SeededRandom,
  SimulatedCluster,
  type SimulatedCoordinator,
  type SimulatedGroupCoordinator,
  WatchedFileSystem,
} from '@moldau/testing';
import type { Kind } from './kinds.ts';
import { Operator } from './operator.ts';
import { Oracle } from './oracle/oracle.ts';
import { StoreOracle } from './oracle/store-oracle.ts';
import { Violation } from './oracle/violation.ts';
import type { Trace } from './trace.ts';

const appendBudgetBytes = 512 * 1024;
/** The shortest there is: what happens when it ends is what matters here. */
const sessionTimeoutMs = 6_000;

/** A client's process: it can be held still. */
export interface Person {
  readonly name: string;
  readonly client: Moldau;
  /** Straight to a node, past the client's library. */
  readonly nodes: readonly Channel[];
  readonly timers: MortalTimers;
}

/** One simulated cluster with those who use it, those who break it, and the one who watches. */
export class World {
  /** For decisions of the workload and of the faults: what the cluster draws does not change them. */
  readonly random: SeededRandom;
  readonly cluster: SimulatedCluster;
  readonly weather: NetworkWeather;
  readonly trace: Trace;
  /** What the store says, as it is written. */
  readonly store = new StoreOracle();
  readonly oracle: Oracle;
  readonly people: Person[] = [];
  /** Writers begin nothing new once this is false. */
  isBusy = true;
  /** Nothing goes wrong any more: a start that an earlier fault has spoilt is tried again. */
  isHealed = false;
  /** How often a server was stopped or set going: while this number stands, none has slept. */
  pauses = 0;
  /** Were suspended: they may take themselves for the active one for a while. */
  readonly sleepwalkers = new Set<SimulatedCoordinator>();
  /** What broke first. */
  broken: unknown;
  readonly operators: readonly Operator[];
  /** Copies of each partition. */
  readonly replicas: number;
  /** Where one copy of several may rot: damage to all of them at once is nothing that anyone could mend. */
  readonly rotten: Operator | undefined;
  readonly #logger: Logger;

  /** What its history is about. */
  readonly kind: Kind;

  constructor(seed: number, makeTrace: (now: () => number) => Trace, kind: Kind) {
    this.kind = kind;
    this.random = new SeededRandom(seed ^ 0x5bd1e995);
    this.weather = new NetworkWeather(new SeededRandom(seed ^ 0x1b873593), { min: 0.05, max: 0.4 });
    const groups = kind === 'groups';
    // What one machine shows is found sooner where there is nothing else.
    const nodes = [1, 2, 3, 3, 3][this.random.below(5)] ?? 1;
    this.#logger = bugLogger((error) => this.fail(error));
    this.cluster = new SimulatedCluster({
      seed,
      nodes,
      coordinators: 1 + this.random.below(2),
      diskLatencyMs: { min: 0.05, max: 2 },
      // What rots is found while its node runs, or only when somebody reads it.
      scrubIntervalMs: [4_000, 20_000, 60_000][this.random.below(3)] ?? 60_000,
      conditions: this.weather.conditions,
      appendBudgetBytes,
      logger: this.#logger,
      ...(groups && { groupCoordinators: 2, groups: { sessionTimeoutMs }, defaultReplicas: nodes }),
      mount: (fs, id) => {
        const operator = this.operators[id - 1];
        const start = operator?.start ?? '';
        return new WatchedFileSystem(fs, (error) => operator?.noteFailure(start, error));
      },
    });
    this.operators = this.cluster.nodes.map((node) => new Operator(this, node));
    // What groups keep has as many copies as it may.
    this.replicas = this.random.chance(0.15) && kind !== 'groups' ? 1 : this.operators.length;
    this.rotten = this.replicas === 1 ? undefined : this.anyNode();

    this.trace = makeTrace(() => this.cluster.time.monotonicMs());
    this.oracle = new Oracle(
      this.trace,
      appendBudgetBytes,
      this.store,
      (node) => this.replicas === 1 || node === this.rotten?.node.id,
    );
    this.cluster.store.onCommit = (commit) => {
      try {
        this.store.look(commit);
      } catch (error) {
        this.fail(error);
      }
    };
  }

  anyNode(): Operator {
    return chosen(this.operators, this.random);
  }

  anyCoordinator(): SimulatedCoordinator {
    return chosen(this.cluster.coordinators, this.random);
  }

  /** Where somebody would go who knows who leads the partition; anywhere, when nobody does. */
  leaderOf(person: Person, topic: string, partition: number): Channel {
    return person.nodes[this.#leading(topic, partition)] ?? chosen(person.nodes, this.random);
  }

  isLed(topic: string, partition: number): boolean {
    return this.#leading(topic, partition) >= 0;
  }

  #leading(topic: string, partition: number): number {
    return this.cluster.nodes.findIndex(
      (node) =>
        node.isRunning &&
        [...node.service.partitions].some(
          ({ log: { identity }, role }) =>
            role.kind === 'leader' && identity.topic === topic && identity.partition === partition,
        ),
    );
  }

  /** Ends the history. */
  fail(error: unknown): void {
    this.broken ??= error;
  }

  /** `listen`: puts somebody between the process and the network. */
  person(name: string, listen: (dialer: Dialer) => Dialer = (dialer) => dialer): Person {
    const { time, network, clientClock, random, coordinators, nodes } = this.cluster;
    const timers = new MortalTimers(time);
    const dialer = network.dialer(name);
    const client = new Moldau(
      coordinators.map(({ address }) => address),
      10_000,
      { clock: clientClock, random, timers, dialer: listen(network.dialer(name)), logger: this.#logger },
    );
    const person = { name, client, nodes: nodes.map(({ address }) => dialer.dial(address, 'data')), timers };
    this.people.push(person);
    return person;
  }

  /** Runs something in the background. What it throws ends the history. */
  background(task: () => Promise<void>): { readonly isOver: boolean } {
    const running = { isOver: false };
    task().then(
      () => {
        running.isOver = true;
      },
      (error: unknown) => this.fail(error),
    );
    return running;
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
    for (const { node, start } of this.operators) if (node.isRunning) this.oracle.look(node.id, start, node.service);
    this.oracle.settle();
    const active = this.cluster.coordinators.filter((one) => this.isActive(one) && !this.sleepwalkers.has(one));
    if (active.length > 1) throw new Violation('C1', 'two coordinators answer as the active one');
  }

  /** Whether it takes itself for the one that decides, and can say so. */
  isActive(coordinator: SimulatedCoordinator): boolean {
    return coordinator.isRunning && !coordinator.isPaused && coordinator.service.isServing;
  }

  /** Everybody dies: calls that nobody ends are kept by Node for ever, and all of the history with them. */
  end(): void {
    const { nodes, coordinators, groupCoordinators, network } = this.cluster;
    for (const node of nodes) node.kill('kill');
    for (const one of groupCoordinators) one.kill();
    for (const coordinator of coordinators) coordinator.kill();
    for (const { name, timers } of this.people) {
      timers.kill();
      network.crash(name);
    }
  }

  /** Starts the coordinator in the background, unless it runs. */
  startCoordinator(coordinator: SimulatedCoordinator): void {
    if (coordinator.isRunning) return;
    const { address } = coordinator;
    this.trace.note(`start ${address}`);
    coordinator.start().then(
      () => this.trace.note(`${address} is ${coordinator.isRunning ? coordinator.service.stage : 'gone'}`),
      (error: unknown) => this.trace.note(`${address} could not start: ${error}`),
    );
  }

  /** The same for a group coordinator. */
  startGroupCoordinator(machine: SimulatedGroupCoordinator): void {
    if (machine.isRunning) return;
    const { address } = machine;
    this.trace.note(`start ${address}`);
    machine.start().then(
      () => this.trace.note(`${address} serves`),
      (error: unknown) => this.trace.note(`${address} could not start: ${error}`),
    );
  }
}

function chosen<T>(all: readonly T[], random: SeededRandom): T {
  const one = all[random.below(all.length)];
  if (one === undefined) throw new Error('there is nothing to choose from');
  return one;
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
