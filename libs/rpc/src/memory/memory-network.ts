import { assert, type Timers } from '@moldau/kernel';
import { CallBudget } from '../call-budget.ts';
import type { Limits } from '../limits.ts';
import type { CallHead, RawListener } from '../raw-stream.ts';
import { type HostOptions, ServiceHost } from '../service-host.ts';
import type { Dialer, ServedService } from '../transport.ts';
import { WireChannel } from '../wire-channel.ts';
import type { Passage } from './memory-pipe.ts';
import { MemoryStream, type StreamNetwork } from './memory-stream.ts';

/** Asked for everything that is sent from one address to another, and again for what it held. */
export type Conditions = (from: string, to: string, bytes: number) => Passage;

/** What a network in memory needs. */
export interface MemoryNetworkOptions {
  readonly limits: Limits;
  /** For delays and the deadlines of clients. */
  readonly timers: Timers;
  /** Default: everything arrives at once. */
  readonly conditions?: Conditions | undefined;
}

/** What a server on it needs. */
export type MemoryServerPorts = Omit<HostOptions, 'services' | 'limits'>;

/** What listens at an address. */
interface Server {
  readonly host: ServiceHost;
  readonly budget: CallBudget;
}

const atOnce: Passage = { delayMs: 0 };

/**
 * A network inside one process, with the semantics of the gRPC transport: messages are copied, buffers are bounded in bytes,
 * errors travel as statuses. Deterministic: nothing but microtasks and the injected timers.
 */
export class MemoryNetwork {
  readonly #options: MemoryNetworkOptions;
  readonly #servers = new Map<string, Server>();
  readonly #streams = new Set<MemoryStream>();
  /** Addresses whose process stands still: its kernel takes what is sent to it, and it reads nothing. */
  readonly #frozen = new Set<string>();
  readonly #network: StreamNetwork;

  constructor(options: MemoryNetworkOptions) {
    this.#options = options;
    const conditions = options.conditions ?? (() => atOnce);
    this.#network = {
      timers: options.timers,
      windowBytes: options.limits.windowBytes,
      passage: (from, to, bytes) => (this.#frozen.has(to) ? 'hold' : conditions(from, to, bytes)),
      dropped: (from, to) => this.cut(from, to),
      arrived: (stream) => this.#accept(stream),
      forget: (stream) => this.#streams.delete(stream),
    };
  }

  /** Calls that are not over on both ends. */
  get openCalls(): number {
    return this.#streams.size;
  }

  /** Serves at an address until it is closed. Closing breaks every call to it. */
  listen(address: string, services: readonly ServedService[], ports: MemoryServerPorts): { close(): void } {
    assert(!this.#servers.has(address), `one server listens at ${address}`);
    const { limits } = this.#options;
    const server = { host: new ServiceHost({ ...ports, services, limits }), budget: new CallBudget(limits, ports) };
    this.#servers.set(address, server);
    return {
      close: () => {
        if (this.#servers.get(address) !== server) return;
        this.#servers.delete(address);
        for (const stream of this.#between((one) => one.to === address)) stream.serverGone();
      },
    };
  }

  /** A dialer for a process whose own address is `from`. */
  dialer(from: string): Dialer {
    const { limits, timers } = this.#options;
    return {
      dial: (address) =>
        new WireChannel(
          {
            address,
            open: (head, listener) => this.#open(from, address, head, listener).client,
            close() {},
          },
          limits,
          timers,
        ),
    };
  }

  /** Breaks every call between two addresses, in both directions. */
  cut(a: string, b: string): void {
    const touched = ({ from, to }: MemoryStream): boolean => (from === a && to === b) || (from === b && to === a);
    for (const stream of this.#between(touched)) stream.cut();
  }

  /** Asks the conditions again about what they held on the way from `from` to `to`. */
  release(from: string, to: string): void {
    for (const stream of this.#between(
      (one) => (one.from === from && one.to === to) || (one.from === to && one.to === from),
    )) {
      stream.release(to);
    }
  }

  /** A process stands still: nothing that is sent to it arrives before `thaw`. */
  freeze(address: string): void {
    this.#frozen.add(address);
  }

  thaw(address: string): void {
    this.#frozen.delete(address);
    for (const stream of this.#between((one) => one.from === address || one.to === address)) stream.release(address);
  }

  /** Ends a process without a farewell: its server and its calls are gone; its peers learn of it if the network lets them. */
  crash(address: string): void {
    this.#frozen.delete(address);
    this.#servers.delete(address);
    for (const stream of this.#between((one) => one.to === address)) stream.serverGone();
    for (const stream of this.#between((one) => one.from === address)) stream.clientGone();
  }

  #open(from: string, to: string, head: CallHead, listener: RawListener): MemoryStream {
    const stream = new MemoryStream(this.#network, from, to, head, listener);
    this.#streams.add(stream);
    stream.open();
    return stream;
  }

  #accept(stream: MemoryStream): boolean {
    const server = this.#servers.get(stream.to);
    if (server === undefined) return false;
    server.host.accept(stream.head.path, stream.serverEnd(server.budget.open(stream.from)), {
      authority: stream.to,
      peer: stream.from,
      timeoutMs: stream.head.timeoutMs,
      forwarded: stream.head.forwarded,
      credentials: { token: undefined, certificateName: undefined },
    });
    return true;
  }

  #between(touched: (stream: MemoryStream) => boolean): MemoryStream[] {
    return [...this.#streams].filter(touched);
  }
}
