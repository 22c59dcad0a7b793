import { Moldau } from '@moldau/client';
import type { GroupOptions } from '@moldau/groups';
import { type FileSystem, type Logger, type Meter, silentLogger, silentMeter, type Timers } from '@moldau/kernel';
import { type Conditions, defaultLimits, MemoryNetwork } from '@moldau/rpc';
import { CruelDisk } from './cruel-disk.ts';
import { MemoryStore } from './memory-store.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedCoordinator } from './simulated-coordinator.ts';
import { SimulatedGateway } from './simulated-gateway.ts';
import { SimulatedGroupCoordinator } from './simulated-group-coordinator.ts';
import { SimulatedNode } from './simulated-node.ts';
import { SkewedClock } from './skewed-clock.ts';
import { VirtualTime } from './virtual-time.ts';

/** How a simulated cluster is made. */
export interface SimulatedClusterOptions {
  readonly seed: number;
  /** Storage nodes. Default 1. */
  readonly nodes?: number;
  /** Coordinators. Default 1. */
  readonly coordinators?: number;
  /** Gateways. Default none. */
  readonly gateways?: number;
  /** Group coordinators. Default none. */
  readonly groupCoordinators?: number;
  /** What differs from the defaults of a group coordinator. */
  readonly groups?: Partial<GroupOptions>;
  /** Of topics that do not say how many. Default: the coordinator's. */
  readonly defaultReplicas?: number;
  readonly logger?: Logger;
  /** What a node counts, or a group coordinator. Default: nothing. */
  readonly meter?: (node: number) => Meter;
  /** How long each operation of a disk takes. */
  readonly diskLatencyMs?: { readonly min: number; readonly max: number };
  readonly diskCapacityBytes?: number;
  /** What becomes of each message. Default: it arrives at once. */
  readonly conditions?: Conditions;
  /** Bytes that appends may hold in a node's memory. Default 4 MiB. */
  readonly appendBudgetBytes?: number;
  /** Everything on disk is checked once in this time. Default one minute. */
  readonly scrubIntervalMs?: number;
  /** Puts something between a node and its disk, for each start anew. */
  readonly mount?: (fs: FileSystem, node: number) => FileSystem;
}

/** The ids of group coordinators come behind this: all nodes share one space. */
const groupIdsAbove = 100;

/**
 * Coordinators, storage nodes, group coordinators, gateways and clients in one process, on one virtual clock, over a simulated network, disks and
 * store: the same services as in production, and every run of one seed is the same. Machines are there from the
 * beginning; their processes are started by whoever uses this.
 */
export class SimulatedCluster {
  readonly time = new VirtualTime();
  readonly clientClock = new SkewedClock(this.time);
  readonly random: SeededRandom;
  readonly store: MemoryStore;
  readonly network: MemoryNetwork;
  readonly nodes: readonly SimulatedNode[];
  readonly coordinators: readonly SimulatedCoordinator[];
  readonly gateways: readonly SimulatedGateway[];
  readonly groupCoordinators: readonly SimulatedGroupCoordinator[];
  readonly #logger: Logger;

  constructor(options: SimulatedClusterOptions) {
    const { seed, logger = silentLogger, mount } = options;
    const { time } = this;
    const random = new SeededRandom(seed);
    const store = new MemoryStore({ timers: time });
    const network = new MemoryNetwork({ timers: time, limits: defaultLimits, conditions: options.conditions });
    const world = { time, random, logger, network, store, defaultReplicas: options.defaultReplicas };
    this.random = random;
    this.store = store;
    this.network = network;
    this.#logger = logger;
    this.coordinators = numbers(options.coordinators).map((n) => new SimulatedCoordinator(`coordinator-${n}`, world));
    const coordinators = this.coordinators.map(({ address }) => address);
    this.gateways = numbers(options.gateways ?? 0).map(
      (n) => new SimulatedGateway(`gateway-${n}`, { ...world, coordinators }),
    );
    const { groups = {} } = options;
    this.groupCoordinators = numbers(options.groupCoordinators ?? 0).map(
      (n) =>
        new SimulatedGroupCoordinator(groupIdsAbove + n, {
          ...world,
          coordinators,
          options: groups,
          meter: options.meter?.(groupIdsAbove + n) ?? silentMeter,
        }),
    );
    this.nodes = numbers(options.nodes).map(
      (id) =>
        new SimulatedNode(id, {
          ...world,
          meter: options.meter?.(id) ?? silentMeter,
          disk: diskOf(options, time, random),
          coordinators,
          appendBudgetBytes: options.appendBudgetBytes ?? 4 * 1024 * 1024,
          scrubIntervalMs: options.scrubIntervalMs ?? 60_000,
          mount: (fs) => mount?.(fs, id) ?? fs,
        }),
    );
  }

  /** A storage node's machine. */
  node(id = 1): SimulatedNode {
    return theNth(this.nodes, id, 'node');
  }

  /** A coordinator's machine. */
  coordinator(n = 1): SimulatedCoordinator {
    return theNth(this.coordinators, n, 'coordinator');
  }

  /** A gateway's machine. */
  gateway(n = 1): SimulatedGateway {
    return theNth(this.gateways, n, 'gateway');
  }

  /** A group coordinator's machine. */
  groupCoordinator(n = 1): SimulatedGroupCoordinator {
    return theNth(this.groupCoordinators, n, 'group coordinator');
  }

  /** Every address that something may listen at. */
  get addresses(): string[] {
    return [...this.coordinators, ...this.nodes, ...this.groupCoordinators, ...this.gateways].map(
      ({ address }) => address,
    );
  }

  /** Starts everything; resolves when all of it serves. */
  async start(): Promise<void> {
    await Promise.all(this.coordinators.map((coordinator) => coordinator.start()));
    const others = [...this.nodes, ...this.groupCoordinators, ...this.gateways];
    await Promise.all(others.map((machine) => machine.start()));
  }

  /** A client in a process of its own, whose timers a test may hold. `endpoints`: whom it asks first; default: the coordinators. */
  client(name: string, timeoutMs = 30_000, timers: Timers = this.time, endpoints?: readonly string[]): Moldau {
    return new Moldau(endpoints ?? this.coordinators.map(({ address }) => address), timeoutMs, {
      clock: this.clientClock,
      random: this.random,
      timers,
      dialer: this.network.dialer(name),
      logger: this.#logger,
    });
  }

  /** Ends everything in order. */
  async stop(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.stop()));
    await Promise.all(this.groupCoordinators.map((one) => one.stop()));
    await Promise.all(this.nodes.map((node) => node.stop()));
    await Promise.all(this.coordinators.map((coordinator) => coordinator.stop()));
  }
}

const numbers = (count = 1): number[] => Array.from({ length: count }, (_, i) => i + 1);

function theNth<T>(all: readonly T[], n: number, what: string): T {
  const found = all[n - 1];
  if (found === undefined) throw new Error(`there is no ${what} ${n} in this cluster`);
  return found;
}

function diskOf(options: SimulatedClusterOptions, timers: Timers, random: SeededRandom): CruelDisk {
  const { diskLatencyMs, diskCapacityBytes } = options;
  return new CruelDisk({
    timers,
    random,
    ...(diskLatencyMs !== undefined && { latencyMs: diskLatencyMs }),
    ...(diskCapacityBytes !== undefined && { capacityBytes: diskCapacityBytes }),
  });
}
