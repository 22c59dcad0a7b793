import {
  type CancelTimer,
  type Logger,
  type Millis,
  type NodeEpoch,
  type NodeId,
  repeat,
  type Timers,
} from '@moldau/kernel';
import type { Finding, NodeImage } from '@moldau/metadata';
import type { Dialer } from '@moldau/rpc';
import type { ImageKeeper } from './image-keeper.ts';
import { probe } from './probe.ts';

const lookEveryMs: Millis = 5_000;
const probeMs: Millis = 2_000;

/**
 * Checks once for each start of a node that the address which it tells to clients leads to something, and goes on while it
 * does not: a node can hold a session from behind an address that nobody else reaches. It is tried twice before that is
 * said: a node that leaves closes its address a moment before its session.
 */
export class AdvertisedAddresses {
  readonly #ports: { timers: Timers; dialer: Dialer; logger: Logger };
  readonly #keeper: ImageKeeper;
  readonly #reached = new Map<NodeId, NodeEpoch>();
  /** Starts of nodes that were not reached the last time. */
  readonly #doubted = new Map<NodeId, NodeEpoch>();
  readonly #unreachable = new Map<NodeId, string>();
  #cancel: CancelTimer | undefined;
  #looking: Promise<void> | undefined;

  constructor(ports: { timers: Timers; dialer: Dialer; logger: Logger }, keeper: ImageKeeper) {
    this.#ports = ports;
    this.#keeper = keeper;
  }

  start(): void {
    this.#cancel = repeat(this.#ports.timers, lookEveryMs, () => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
    });
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    await this.#looking;
  }

  findings(): Finding[] {
    return [...this.#unreachable].map(([node, address]) => ({
      severity: 'critical',
      message: `node ${node} serves, but its advertised address ${address} can't be reached from the coordinator: correct it and restart the node`,
    }));
  }

  async #look(): Promise<void> {
    const active = this.#keeper.image.nodes().filter(({ condition }) => !condition.fenced);
    for (const id of [...this.#unreachable.keys()]) {
      if (!active.some((node) => node.id === id)) this.#unreachable.delete(id);
    }
    await Promise.all(active.filter(({ id, epoch }) => this.#reached.get(id) !== epoch).map((node) => this.#try(node)));
  }

  async #try({ id, epoch, registration: { address } }: NodeImage): Promise<void> {
    if ((await probe(this.#ports.dialer, address, probeMs)) === 'answers') {
      this.#reached.set(id, epoch);
      this.#unreachable.delete(id);
      return;
    }
    const now = this.#keeper.image.node(id);
    if (now?.epoch !== epoch || now.condition.fenced) return;
    if (this.#doubted.get(id) !== epoch) {
      this.#doubted.set(id, epoch);
      return;
    }
    if (!this.#unreachable.has(id)) {
      this.#ports.logger.error('a node advertises an address that can not be reached from here', { node: id, address });
    }
    this.#unreachable.set(id, address);
  }
}
