import { type FileSystem, type Logger, type Meter, type NodeId, nodeId, type Random } from '@moldau/kernel';
import type { MemoryNetwork } from '@moldau/rpc';
import { StorageNode } from '@moldau/storage-node';
import type { CruelDisk } from './cruel-disk.ts';
import { ProcessFileSystem } from './process-file-system.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { SkewedClock } from './skewed-clock.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a simulated node lives in. */
export interface SimulatedNodeWorld {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly network: MemoryNetwork;
  readonly disk: CruelDisk;
  readonly coordinators: readonly string[];
  readonly appendBudgetBytes: number;
  readonly scrubIntervalMs: number;
  /** Puts something between the node and its disk, for each start anew. */
  readonly mount: (fs: FileSystem) => FileSystem;
}

interface Running {
  readonly node: StorageNode;
  readonly process: SimulatedProcess;
  readonly listening: { close(): void };
}

/** The machine of one storage node: it keeps its disk and its clock; its processes come and go. */
export class SimulatedNode {
  readonly id: NodeId;
  readonly disk: CruelDisk;
  readonly clock: SkewedClock;
  readonly #world: SimulatedNodeWorld;
  #address: string;
  #running: Running | undefined;
  #boot = 1;

  constructor(id: number, world: SimulatedNodeWorld) {
    this.id = nodeId(id);
    this.#address = `node-${id}`;
    this.disk = world.disk;
    this.clock = new SkewedClock(world.time);
    this.#world = world;
  }

  get address(): string {
    return this.#address;
  }

  /** From its next start on it is somewhere else. */
  moveTo(address: string): void {
    if (this.isRunning) throw new Error(`${this.address} is running`);
    this.#address = address;
  }

  /** The running service. Throws while there is none. */
  get service(): StorageNode {
    if (this.#running === undefined) throw new Error(`${this.address} is not running`);
    return this.#running.node;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  get isPaused(): boolean {
    return this.#running?.process.isPaused ?? false;
  }

  /** Starts a new process; resolves when it has recovered and knows what it leads. */
  async start(): Promise<void> {
    const { time, random, logger, meter, network, appendBudgetBytes, scrubIntervalMs, mount, coordinators } =
      this.#world;
    const process = new SimulatedProcess(time);
    const world = { random, logger, meter, clock: this.clock, timers: process.timers };
    const fs = new ProcessFileSystem(mount(this.disk.mount()), process);
    const node = new StorageNode(
      { ...world, fs, dialer: network.dialer(this.address), bootId: `boot-${this.#boot}` },
      {
        nodeId: this.id,
        directory: '/data',
        coordinators,
        rack: '',
        version: 'simulated',
        tailCacheBytes: 256 * 1024,
        appendBudgetBytes,
        appendWindowBytes: 256 * 1024,
        minFreeBytes: 64 * 1024,
        scrubIntervalMs,
      },
    );
    this.#running = { node, process, listening: network.listen(this.address, node.services(), world) };
    await node.start(this.address);
  }

  /** Ends the process in order. Never resolves when it is killed meanwhile. */
  async stop(): Promise<void> {
    const running = this.#running;
    await running?.node.handOver();
    running?.node.drain(1_000);
    running?.listening.close();
    await running?.node.stop();
    if (this.#running === running) this.#running = undefined;
  }

  /** The process stands still, as under SIGSTOP; nothing reaches it, and nothing leaves it. */
  pause(): void {
    if (this.#running === undefined) return;
    this.#running.process.pause();
    this.#world.network.freeze(this.address);
  }

  resume(): void {
    if (this.#running === undefined) return;
    this.#world.network.thaw(this.address);
    this.#running.process.resume();
  }

  /** The process dies: `kill` keeps the page cache, `power` loses and tears what was not synced. */
  kill(how: 'kill' | 'power'): void {
    this.#running?.process.kill();
    this.#running = undefined;
    this.#world.network.crash(this.address);
    if (how === 'kill') return this.disk.kill();
    this.disk.crash();
    this.#boot += 1;
  }
}
