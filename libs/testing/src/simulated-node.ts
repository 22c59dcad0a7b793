import { type FileSystem, type Logger, type NodeId, nodeId, type Random, silentMeter } from '@moldau/kernel';
import type { MemoryNetwork } from '@moldau/rpc';
import { StorageNode } from '@moldau/storage-node';
import type { CruelDisk } from './cruel-disk.ts';
import { MortalTimers } from './mortal-timers.ts';
import { SkewedClock } from './skewed-clock.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a simulated node lives in. */
export interface SimulatedNodeWorld {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly logger: Logger;
  readonly network: MemoryNetwork;
  readonly disk: CruelDisk;
  readonly coordinators: readonly string[];
  readonly appendBudgetBytes: number;
  /** Puts something between the node and its disk, for each start anew. */
  readonly mount: (fs: FileSystem) => FileSystem;
}

interface Process {
  readonly node: StorageNode;
  readonly timers: MortalTimers;
  readonly listening: { close(): void };
}

/** The machine of one storage node: it keeps its disk and its clock; its processes come and go. */
export class SimulatedNode {
  readonly id: NodeId;
  readonly disk: CruelDisk;
  readonly clock: SkewedClock;
  readonly #world: SimulatedNodeWorld;
  #address: string;
  #process: Process | undefined;
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
    if (this.#process === undefined) throw new Error(`${this.address} is not running`);
    return this.#process.node;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /** Starts a new process; resolves when it has recovered and knows what it leads. */
  async start(): Promise<void> {
    const { time, random, logger, network, appendBudgetBytes, mount, coordinators } = this.#world;
    const timers = new MortalTimers(time);
    const world = { random, logger, meter: silentMeter, clock: this.clock, timers };
    const node = new StorageNode(
      { ...world, fs: mount(this.disk.mount()), dialer: network.dialer(this.address), bootId: `boot-${this.#boot}` },
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
      },
    );
    this.#process = { node, timers, listening: network.listen(this.address, node.services(), world) };
    await node.start(this.address);
  }

  /** Ends the process in order. Never resolves when it is killed meanwhile. */
  async stop(): Promise<void> {
    const process = this.#process;
    process?.node.drain(1_000);
    process?.listening.close();
    await process?.node.stop();
    if (this.#process === process) this.#process = undefined;
  }

  /** The process dies: `kill` keeps the page cache, `power` loses and tears what was not synced. */
  kill(how: 'kill' | 'power'): void {
    this.#process?.timers.kill();
    this.#process = undefined;
    this.#world.network.crash(this.address);
    if (how === 'kill') return this.disk.kill();
    this.disk.crash();
    this.#boot += 1;
  }
}
