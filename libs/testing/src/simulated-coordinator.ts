import { Coordinator } from '@moldau/coordinator';
import { type Logger, type Random, silentMeter } from '@moldau/kernel';
import type { MetadataStore } from '@moldau/metadata';
import type { MemoryNetwork } from '@moldau/rpc';
import { MortalTimers } from './mortal-timers.ts';
import { SkewedClock } from './skewed-clock.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a simulated coordinator lives in. */
export interface SimulatedCoordinatorWorld {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly logger: Logger;
  readonly network: MemoryNetwork;
  readonly store: MetadataStore;
}

/** The machine of one coordinator: it keeps its clock and its address; its processes come and go. */
export class SimulatedCoordinator {
  readonly address: string;
  readonly clock: SkewedClock;
  readonly #world: SimulatedCoordinatorWorld;
  #process: { readonly coordinator: Coordinator; readonly timers: MortalTimers } | undefined;

  constructor(address: string, world: SimulatedCoordinatorWorld) {
    this.address = address;
    this.clock = new SkewedClock(world.time);
    this.#world = world;
  }

  get isRunning(): boolean {
    return this.#process !== undefined && !this.#process.coordinator.stopped.aborted;
  }

  /** Starts it in a new process, in the place of one that has stopped by itself. */
  async start(): Promise<void> {
    this.kill();
    const { time, random, logger, network, store } = this.#world;
    const timers = new MortalTimers(time);
    const world = { random, logger, meter: silentMeter, clock: this.clock, timers };
    const coordinator = new Coordinator({ ...world, store }, { autoCreate: true });
    this.#process = { coordinator, timers };
    network.listen(this.address, coordinator.services(), world);
    await coordinator.start();
  }

  /** Ends the process in order. */
  async stop(): Promise<void> {
    await this.#process?.coordinator.stop();
  }

  /** The process dies; what it has sent to the store still counts. */
  kill(): void {
    if (this.#process === undefined) return;
    this.#process.timers.kill();
    this.#process = undefined;
    this.#world.network.crash(this.address);
  }
}
