import { type Clock, type Logger, MoldauError, type Random, type Timers } from '@moldau/kernel';
import type { Dialer, ServedService } from '@moldau/rpc';
import { CatchUp } from './catch-up.ts';
import { ClusterView } from './cluster-view.ts';
import { Connections } from './connections.ts';
import { Forwarding } from './forwarding.ts';
import { type Advertise, relayService } from './relay-service.ts';

/** The world, as a relay sees it. */
export interface RelayPorts {
  /** Reaches the coordinators. */
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** How a relay is made. */
export interface RelayOptions {
  /** Addresses of all coordinators. */
  readonly coordinators: readonly string[];
  readonly advertise: Advertise;
}

/** A process's line to those who decide: what it knows of the cluster, and a `ClusterService` that any client may ask. */
export class Relay {
  /** What the process knows of the cluster. */
  readonly view: ClusterView;
  readonly #ports: RelayPorts;
  readonly #advertise: Advertise;
  readonly #connections: Connections;
  readonly #forwarding: Forwarding;
  readonly #catchUp: CatchUp;
  readonly #stopping = new AbortController();

  constructor({ coordinators, advertise }: RelayOptions, ports: RelayPorts) {
    this.#ports = ports;
    this.#advertise = advertise;
    this.#connections = new Connections(ports.dialer);
    const routing = { ...ports, connections: this.#connections };
    this.view = new ClusterView(coordinators, routing);
    const self = advertise === 'authority' ? 'the gateway' : 'the storage node';
    this.#forwarding = new Forwarding(coordinators, self, routing);
    this.#catchUp = new CatchUp(this.view, this.#forwarding);
  }

  start(): void {
    this.view.start();
  }

  /** Ends what is followed and what is served. */
  async stop(): Promise<void> {
    this.#stopping.abort(new MoldauError('NOT_SERVING', 'this process is leaving: ask another one'));
    await this.view.stop();
    this.#connections.close();
  }

  /** Resolves when the view has all that a coordinator knew at the time of the call, or when none could be asked. */
  catchUp(): Promise<void> {
    return this.#catchUp.now();
  }

  service(): ServedService {
    const { timers, random } = this.#ports;
    return relayService({
      view: this.view,
      forwarding: this.#forwarding,
      catchUp: this.#catchUp,
      advertise: this.#advertise,
      timers,
      random,
      stopped: this.#stopping.signal,
    });
  }
}
