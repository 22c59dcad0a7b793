import { Coordinator } from '@moldau/coordinator';
import { type Logger, type Random, silentMeter } from '@moldau/kernel';
import type { MetadataStore } from '@moldau/metadata';
import type { MemoryNetwork } from '@moldau/rpc';
import { ProcessStore } from './process-store.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { SkewedClock } from './skewed-clock.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a simulated coordinator lives in. */
export interface SimulatedCoordinatorWorld {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly logger: Logger;
  readonly network: MemoryNetwork;
  readonly store: MetadataStore;
  readonly defaultReplicas: number | undefined;
}

interface Running {
  readonly coordinator: Coordinator;
  readonly process: SimulatedProcess;
  readonly store: ProcessStore;
}

/** The machine of one coordinator: it keeps its clock and its address; its processes come and go. */
export class SimulatedCoordinator {
  readonly address: string;
  readonly clock: SkewedClock;
  readonly #world: SimulatedCoordinatorWorld;
  #running: Running | undefined;

  constructor(address: string, world: SimulatedCoordinatorWorld) {
    this.address = address;
    this.clock = new SkewedClock(world.time);
    this.#world = world;
  }

  /** The service of the process that runs. Throws while there is none. */
  get service(): Coordinator {
    if (this.#running === undefined) throw new Error(`${this.address} is not running`);
    return this.#running.coordinator;
  }

  get isRunning(): boolean {
    return this.#running !== undefined && !this.#running.coordinator.stopped.aborted;
  }

  get isPaused(): boolean {
    return this.#running?.process.isPaused ?? false;
  }

  /** Starts it in a new process, in the place of one that has stopped by itself; resolves when it is active, or stands by. */
  async start(): Promise<void> {
    this.kill();
    const { time, random, logger, network, defaultReplicas } = this.#world;
    const { address } = this;
    const process = new SimulatedProcess(time);
    const world = { random, logger, meter: silentMeter, clock: this.clock, timers: process.timers };
    const store = new ProcessStore(this.#world.store, process);
    const ports = { ...world, store, dialer: network.dialer(address) };
    const coordinator = new Coordinator(ports, {
      autoCreate: true,
      instance: address,
      ...(defaultReplicas !== undefined && { defaultReplicas }),
    });
    this.#running = { coordinator, process, store };
    network.listen(address, coordinator.services(), world);
    await coordinator.start(address);
  }

  /** Ends the process in order. */
  async stop(): Promise<void> {
    await this.#running?.coordinator.stop();
  }

  /** The process stands still; nothing reaches it, and nothing leaves it. */
  pause(): void {
    if (this.#running === undefined) return;
    this.#running.process.pause();
    this.#world.network.freeze(this.address);
  }

  /** As `pause`, and no time passes for it: its leases seem to be as good as before. */
  suspend(): void {
    this.clock.suspend();
    this.pause();
  }

  resume(): void {
    this.clock.resume();
    if (this.#running === undefined) return;
    this.#world.network.thaw(this.address);
    this.#running.process.resume();
  }

  /** It reaches everybody but the store. */
  cutFromStore(): void {
    this.#running?.store.cutOff();
  }

  joinStore(): void {
    this.#running?.store.join();
  }

  /** The process dies; what it has sent to the store still counts. */
  kill(): void {
    if (this.#running === undefined) return;
    const { process, store } = this.#running;
    process.kill();
    void store.close();
    this.#running = undefined;
    this.#world.network.crash(this.address);
  }
}
