import { type Clock, jittered, type Millis, MoldauError, type Random, sleep, type Timers } from '@moldau/kernel';
import type { Channel } from '@moldau/rpc';
import type { Connections } from './connections.ts';

/** The world, as routing sees it. */
export interface RoutingPorts {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

const firstPauseMs = 50;
const lastPauseMs = 1_000;

/** Calls any process of the cluster: the one that answered last, else the next. Every process can answer for the whole. */
export class Bootstrap {
  readonly #endpoints: readonly string[];
  readonly #ports: RoutingPorts;
  #current = 0;

  /** `endpoints`: host:port, at least one. */
  constructor(endpoints: readonly string[], ports: RoutingPorts) {
    this.#endpoints = endpoints;
    this.#ports = ports;
  }

  /** The address that is asked now. */
  get address(): string {
    return this.#endpoints[this.#current % this.#endpoints.length] ?? '';
  }

  /**
   * Calls, and calls again elsewhere while the error says that it may help, for at most `timeoutMs`. Only for calls that
   * may be repeated. Throws the last error.
   */
  async call<T>(
    timeoutMs: Millis,
    call: (channel: Channel, timeoutMs: Millis) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const { connections, clock, timers, random } = this.#ports;
    const giveUpAt = clock.monotonicMs() + timeoutMs;
    let pauseMs = firstPauseMs;
    for (;;) {
      const leftMs = giveUpAt - clock.monotonicMs();
      try {
        return await call(connections.to(this.address, 'control'), Math.max(1, leftMs));
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof MoldauError) || !error.retriable) throw error;
        if (clock.monotonicMs() + pauseMs >= giveUpAt) throw error;
      }
      this.#current += 1;
      await sleep(timers, jittered(random, pauseMs), signal);
      pauseMs = Math.min(pauseMs * 2, lastPauseMs);
    }
  }
}
