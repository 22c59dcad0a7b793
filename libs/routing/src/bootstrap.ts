import { type Clock, type Millis, MoldauError, type Random, type Timers } from '@moldau/kernel';
import type { Channel } from '@moldau/rpc';
import type { Connections } from './connections.ts';
import { retrying } from './retrying.ts';
import { watchForLife } from './sign-of-life.ts';

/** The world, as routing sees it. */
export interface RoutingPorts {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/**
 * Calls any process of the cluster: the one that answered last, else the next. Every process can answer for the whole. One
 * that has not answered for seconds, and gives no sign of life, is left for the next one.
 */
export class Bootstrap {
  readonly #endpoints: readonly string[];
  readonly #ports: RoutingPorts;
  #current = 0;

  /** `endpoints`: host:port, at least one. */
  constructor(endpoints: readonly string[], ports: RoutingPorts) {
    this.#endpoints = endpoints;
    this.#ports = ports;
  }

  get #hasOthers(): boolean {
    return this.#endpoints.length > 1;
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
      const { connections, timers } = this.#ports;
      const channel = connections.to(this.address, 'control');
      const unwatch = this.#hasOthers ? watchForLife(channel, timers, () => connections.drop(channel)) : () => {};
      try {
        return await call(channel, leftMs);
      } catch (error) {
        // A refusal for good is an answer; and of several calls that fail at one address, one goes on.
        const isAnswer = error instanceof MoldauError && !error.retriable;
        if (!isAnswer && this.#current === asked) this.#current += 1;
        throw error;
      } finally {
        unwatch();
      }
    };
    return retrying(this.#ports, timeoutMs, attempt, mayRepeat);
  }
}
