import { GroupNode } from '@moldau/group-coordinator';
import { defaultGroupOptions, type GroupOptions } from '@moldau/groups';
import { type Logger, type Meter, type NodeId, nodeId, type Random } from '@moldau/kernel';
import type { MemoryNetwork } from '@moldau/rpc';
import { SimulatedProcess } from './simulated-process.ts';
import { SkewedClock } from './skewed-clock.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a simulated group coordinator lives in. */
export interface SimulatedGroupCoordinatorWorld {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly logger: Logger;
  readonly network: MemoryNetwork;
  readonly coordinators: readonly string[];
  readonly options: Partial<GroupOptions>;
  readonly meter: Meter;
}

interface Running {
  readonly node: GroupNode;
  readonly process: SimulatedProcess;
  readonly listening: { close(): void };
}

/** The machine of one group coordinator: it keeps its clock and its address; its processes come and go. */
export class SimulatedGroupCoordinator {
  readonly id: NodeId;
  readonly address: string;
  readonly clock: SkewedClock;
  readonly #world: SimulatedGroupCoordinatorWorld;
  #running: Running | undefined;

  /** `id`: unlike that of any storage node. */
  constructor(id: number, world: SimulatedGroupCoordinatorWorld) {
    this.id = nodeId(id);
    this.address = `group-coordinator-${id}`;
    this.clock = new SkewedClock(world.time);
    this.#world = world;
  }

  /** The running service. Throws while there is none. */
  get service(): GroupNode {
    if (this.#running === undefined) throw new Error(`${this.address} is not running`);
    return this.#running.node;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  get isPaused(): boolean {
    return this.#running?.process.isPaused ?? false;
  }

  /** Starts a new process; resolves when it may be given shards. */
  async start(): Promise<void> {
    const { time, random, logger, meter, network, coordinators, options } = this.#world;
    const process = new SimulatedProcess(time);
    const world = { random, logger, meter, clock: this.clock, timers: process.timers };
    const node = new GroupNode(
      { ...world, dialer: network.dialer(this.address) },
      {
        nodeId: this.id,
        coordinators,
        rack: '',
        version: 'simulated',
        options: { ...defaultGroupOptions, ...options },
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

  /** The process dies. */
  kill(): void {
    this.#running?.process.kill();
    this.#running = undefined;
    this.#world.network.crash(this.address);
  }
}
