import { type Clock, type Millis, MoldauError, type Random, type Timers } from '@moldau/kernel';
import type { Channel } from '@moldau/rpc';
import type { Connections } from './connections.ts';
import { retrying } from './retrying.ts';

/** The world, as routing sees it. */
export interface RoutingPorts {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

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
   * Calls, and calls again elsewhere while the error says that it may help (`mayRepeat`: or who knows better), for at
   * most `timeoutMs`. Only for calls that may be repeated. Throws the last error.
   */
  call<T>(
    timeoutMs: Millis,
    call: (channel: Channel, timeoutMs: Millis) => Promise<T>,
    mayRepeat?: (error: MoldauError) => boolean,
  ): Promise<T> {
    const attempt = async (leftMs: Millis): Promise<T> => {
      const asked = this.#current;
      try {
        return await call(this.#ports.connections.to(this.address, 'control'), leftMs);
      } catch (error) {
        // A refusal for good is an answer; and of several calls that fail at one address, one goes on.
        const isAnswer = error instanceof MoldauError && !error.retriable;
        if (!isAnswer && this.#current === asked) this.#current += 1;
        throw error;
      }
    };
    return retrying(this.#ports, timeoutMs, attempt, mayRepeat);
  }
}
