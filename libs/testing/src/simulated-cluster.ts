import { Moldau } from '@moldau/client';
import { Coordinator } from '@moldau/coordinator';
import { type FileSystem, type Logger, nodeId, silentLogger, silentMeter, type Timers } from '@moldau/kernel';
import { type Conditions, defaultLimits, MemoryNetwork } from '@moldau/rpc';
import { StorageNode } from '@moldau/storage-node';
import { CruelDisk } from './cruel-disk.ts';
import { MemoryStore } from './memory-store.ts';
import { MortalTimers } from './mortal-timers.ts';
import { SeededRandom } from './seeded-random.ts';
import { SkewedClock } from './skewed-clock.ts';
import { VirtualTime } from './virtual-time.ts';

/** How a simulated cluster is made. */
export interface SimulatedClusterOptions {
  readonly seed: number;
  readonly logger?: Logger;
  /** How long each operation of the disk takes. */
  readonly diskLatencyMs?: { readonly min: number; readonly max: number };
  readonly diskCapacityBytes?: number;
  /** What becomes of each message. Default: it arrives at once. */
  readonly conditions?: Conditions;
  /** Bytes that appends may hold in a node's memory. Default 4 MiB. */
  readonly appendBudgetBytes?: number;
  /** Puts something between a node and its disk, for each start anew. */
  readonly mount?: (fs: FileSystem) => FileSystem;
}

interface NodeProcess {
  readonly node: StorageNode;
  readonly timers: MortalTimers;
  readonly listening: { close(): void };
}

interface CoordinatorProcess {
  readonly coordinator: Coordinator;
  readonly timers: MortalTimers;
}

export const coordinatorAddress = 'coordinator';
export const nodeAddress = 'node-1';

/**
 * A coordinator, a storage node and clients in one process, on one virtual clock, over a simulated network, disk and
 * store: the same services as in production, and every run of one seed is the same.
 */
export class SimulatedCluster {
  readonly time = new VirtualTime();
  readonly nodeClock = new SkewedClock(this.time);
  readonly coordinatorClock = new SkewedClock(this.time);
  readonly clientClock = new SkewedClock(this.time);
  readonly random: SeededRandom;
  readonly disk: CruelDisk;
  readonly store: MemoryStore;
  readonly network: MemoryNetwork;
  readonly #options: SimulatedClusterOptions;
  readonly #logger: Logger;
  #coordinator: CoordinatorProcess | undefined;
  #process: NodeProcess | undefined;
  #boot = 1;

  constructor(options: SimulatedClusterOptions) {
    const { seed, logger = silentLogger, diskLatencyMs, diskCapacityBytes, conditions } = options;
    const timers = this.time;
    this.#options = options;
    this.random = new SeededRandom(seed);
    this.#logger = logger;
    this.store = new MemoryStore({ timers });
    this.network = new MemoryNetwork({ timers, limits: defaultLimits, conditions });
    this.disk = new CruelDisk({
      timers,
      random: this.random,
      ...(diskLatencyMs !== undefined && { latencyMs: diskLatencyMs }),
      ...(diskCapacityBytes !== undefined && { capacityBytes: diskCapacityBytes }),
    });
  }

  /** The running node. Throws while there is none. */
  get node(): StorageNode {
    if (this.#process === undefined) throw new Error('the node is not running');
    return this.#process.node;
  }

  get isNodeRunning(): boolean {
    return this.#process !== undefined;
  }

  get isCoordinatorRunning(): boolean {
    return this.#coordinator !== undefined && !this.#coordinator.coordinator.stopped.aborted;
  }

  /** Starts the coordinator in a new process, in the place of one that has stopped by itself. */
  async startCoordinator(): Promise<void> {
    this.killCoordinator();
    const timers = new MortalTimers(this.time);
    const world = { ...this.#world, clock: this.coordinatorClock, timers };
    const coordinator = new Coordinator({ ...world, store: this.store }, { autoCreate: true });
    this.#coordinator = { coordinator, timers };
    this.network.listen(coordinatorAddress, coordinator.services(), world);
    await coordinator.start();
  }

  /** The coordinator's process dies; what it has sent to the store still counts. */
  killCoordinator(): void {
    if (this.#coordinator === undefined) return;
    this.#coordinator.timers.kill();
    this.#coordinator = undefined;
    this.network.crash(coordinatorAddress);
  }

  /** Starts the node in a new process; resolves when it has recovered and knows what it leads. */
  async startNode(): Promise<void> {
    const timers = new MortalTimers(this.time);
    const world = { ...this.#world, clock: this.nodeClock, timers };
    const mounted = this.disk.mount();
    const fs = this.#options.mount?.(mounted) ?? mounted;
    const node = new StorageNode(
      { ...world, fs, dialer: this.network.dialer(nodeAddress), bootId: `boot-${this.#boot}` },
      {
        nodeId: nodeId(1),
        directory: '/data',
        address: nodeAddress,
        coordinator: coordinatorAddress,
        rack: '',
        version: 'simulated',
        tailCacheBytes: 256 * 1024,
        appendBudgetBytes: this.#options.appendBudgetBytes ?? 4 * 1024 * 1024,
        appendWindowBytes: 256 * 1024,
        minFreeBytes: 64 * 1024,
      },
    );
    this.#process = { node, timers, listening: this.network.listen(nodeAddress, node.services(), world) };
    await node.start();
  }

  /** Ends the node in order. Never resolves when its process is killed meanwhile. */
  async stopNode(): Promise<void> {
    const process = this.#process;
    process?.node.drain(1_000);
    process?.listening.close();
    await process?.node.stop();
    if (this.#process === process) this.#process = undefined;
  }

  /** The node's process dies: `kill` keeps the page cache, `power` loses and tears what was not synced. */
  killNode(how: 'kill' | 'power'): void {
    this.#process?.timers.kill();
    this.#process = undefined;
    this.network.crash(nodeAddress);
    if (how === 'kill') return this.disk.kill();
    this.disk.crash();
    this.#boot += 1;
  }

  /** A client in a process of its own, whose timers a test may hold. */
  client(name: string, timeoutMs = 30_000, timers: Timers = this.time): Moldau {
    return new Moldau([coordinatorAddress], timeoutMs, {
      clock: this.clientClock,
      random: this.random,
      timers,
      dialer: this.network.dialer(name),
      logger: this.#logger,
    });
  }

  async stop(): Promise<void> {
    await this.stopNode();
    await this.#coordinator?.coordinator.stop();
  }

  get #world() {
    return { random: this.random, logger: this.#logger, meter: silentMeter };
  }
}
