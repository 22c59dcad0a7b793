import { Gateway } from '@moldau/gateway';
import { type Logger, type Random, silentMeter } from '@moldau/kernel';
import type { MemoryNetwork } from '@moldau/rpc';
import { MortalTimers } from './mortal-timers.ts';
import { SkewedClock } from './skewed-clock.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a simulated gateway lives in. */
export interface SimulatedGatewayWorld {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly logger: Logger;
  readonly network: MemoryNetwork;
  readonly coordinators: readonly string[];
}

/** What sessions of a simulated gateway may have in flight. */
export const gatewayWindowBytes = 512 * 1024;

interface Process {
  readonly gateway: Gateway;
  readonly timers: MortalTimers;
  readonly listening: { close(): void };
}

/** The machine of one gateway: it keeps its clock and its address; its processes come and go. */
export class SimulatedGateway {
  readonly address: string;
  readonly clock: SkewedClock;
  readonly #world: SimulatedGatewayWorld;
  #process: Process | undefined;

  constructor(address: string, world: SimulatedGatewayWorld) {
    this.address = address;
    this.clock = new SkewedClock(world.time);
    this.#world = world;
  }

  /** The running service. Throws while there is none. */
  get service(): Gateway {
    if (this.#process === undefined) throw new Error(`${this.address} is not running`);
    return this.#process.gateway;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /** Starts a new process; resolves when it serves. */
  async start(): Promise<void> {
    const { time, random, logger, network, coordinators } = this.#world;
    const timers = new MortalTimers(time);
    const world = { random, logger, meter: silentMeter, clock: this.clock, timers };
    const gateway = new Gateway(
      { ...world, dialer: network.dialer(this.address) },
      {
        coordinators,
        appendBytes: 16 * 1024 * 1024,
        fetchBytes: 16 * 1024 * 1024,
        windowBytes: gatewayWindowBytes,
      },
    );
    this.#process = { gateway, timers, listening: network.listen(this.address, gateway.services(), world) };
    await gateway.start();
  }

  /** Ends the process in order. */
  async stop(): Promise<void> {
    const process = this.#process;
    process?.gateway.drain(1_000);
    process?.listening.close();
    await process?.gateway.stop();
    if (this.#process === process) this.#process = undefined;
  }

  /** The process dies. */
  kill(): void {
    this.#process?.timers.kill();
    this.#process = undefined;
    this.#world.network.crash(this.address);
  }
}
