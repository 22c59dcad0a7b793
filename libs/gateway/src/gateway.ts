import {
  ByteBudget,
  type CancelTimer,
  type Clock,
  faults,
  type Logger,
  type Meter,
  type Millis,
  MoldauError,
  type Random,
  type Timers,
} from '@moldau/kernel';
import { Connections, Relay } from '@moldau/routing';
import { type Dialer, type ServedService, sealError } from '@moldau/rpc';
import { AppendBridge } from './append-bridge.ts';
import { FetchBridge } from './fetch-bridge.ts';
import { GatewayMetrics } from './gateway-metrics.ts';
import { groupService } from './group-service.ts';
import type { JoinBridge } from './join-bridge.ts';
import { logService } from './log-service.ts';

/** The world, as a gateway sees it. */
export interface GatewayPorts {
  /** Reaches the coordinators and the storage nodes. */
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** What a gateway is told. */
export interface GatewayConfig {
  /** Addresses of all coordinators. */
  readonly coordinators: readonly string[];
  /** Bytes of batches on their way to storage nodes that it may hold in all. */
  readonly appendBytes: number;
  /** Bytes of batches on their way to clients that it may hold, or have asked for, in all. */
  readonly fetchBytes: number;
  /** Bytes of batches that one session may have in flight, in either direction. */
  readonly windowBytes: number;
}

/** While nobody has told it of the cluster, it looks so often whether it was stopped. */
const lookEveryMs: Millis = 1_000;
/** Sessions at one time: each costs some KiB, and may always hold a frame. */
const sessionsMax = 4_096;

type BridgedSession = AppendBridge | FetchBridge | JoinBridge;

export type GatewayStage = 'starting' | 'serving' | 'leaving' | 'stopped';

/**
 * One address for a whole cluster: routes every call to the nodes that lead, and bridges sessions. Keeps nothing: any
 * number of gateways may stand side by side.
 */
export class Gateway {
  readonly #ports: GatewayPorts;
  readonly #config: GatewayConfig;
  readonly #relay: Relay;
  readonly #connections: Connections;
  readonly #appendBudget: ByteBudget;
  readonly #fetchBudget: ByteBudget;
  readonly #metrics: GatewayMetrics;
  readonly #sessions = new Set<BridgedSession>();
  #unwatch: readonly CancelTimer[] = [];
  #stage: GatewayStage = 'starting';

  constructor(ports: GatewayPorts, config: GatewayConfig) {
    this.#ports = ports;
    this.#config = config;
    this.#connections = new Connections(ports.dialer);
    this.#relay = new Relay({ coordinators: config.coordinators, advertise: 'authority' }, ports);
    this.#appendBudget = new ByteBudget('the memory of this gateway for appends', config.appendBytes);
    this.#fetchBudget = new ByteBudget('the memory of this gateway for reads', config.fetchBytes);
    this.#metrics = new GatewayMetrics(ports.meter);
  }

  /** Resolves when it knows the cluster, and serves; or when it is stopped before. */
  async start(): Promise<void> {
    const { view } = this.#relay;
    view.onChange(() => this.#connections.keep(new Set(view.nodes().map(({ address }) => address))));
    this.#relay.start();
    this.#watch();
    while (this.#stage === 'starting' && !view.isKnown) await view.reached(0n, lookEveryMs);
    if (this.#stage === 'starting') this.#stage = 'serving';
  }

  /** What it serves. */
  services(): ServedService[] {
    const { clock, timers, random } = this.#ports;
    const parts = {
      view: this.#relay.view,
      connections: this.#connections,
      clock,
      timers,
      random,
      appendBudget: this.#appendBudget,
      fetchBudget: this.#fetchBudget,
      metrics: this.#metrics,
      windowBytes: this.#config.windowBytes,
      seal: (error: unknown) => sealError(error, 'a session', this.#ports),
      requireServing: () => this.#requireServing(),
      hold: (session: BridgedSession) => this.#hold(session),
    };
    const log = logService({ ...parts, catchUp: () => this.#relay.catchUp() });
    return [log, groupService(parts), this.#relay.service()];
  }

  get stage(): GatewayStage {
    return this.#stage;
  }

  get isServing(): boolean {
    return this.#stage === 'serving';
  }

  /** Of the cluster that it stands in front of. Empty while it does not know. */
  get clusterId(): string {
    return this.#relay.view.clusterId;
  }

  /** Bytes of batches on their way to storage nodes that it holds now. */
  get heldAppendBytes(): number {
    return this.#appendBudget.heldBytes;
  }

  /** Bytes of batches on their way to clients that it holds now, or has asked for. */
  get heldFetchBytes(): number {
    return this.#fetchBudget.heldBytes;
  }

  /** Asks every client to leave, and takes nothing new. What is open goes on. */
  drain(graceMs: Millis): void {
    this.#stage = 'leaving';
    for (const session of this.#sessions) session.drain(graceMs);
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    this.#stage = 'stopped';
    for (const cancel of this.#unwatch) cancel();
    await this.#relay.stop();
    this.#connections.close();
  }

  #watch(): void {
    const { timers } = this.#ports;
    const countOf = (kind: typeof AppendBridge | typeof FetchBridge): number =>
      [...this.#sessions].filter((session) => session instanceof kind).length;
    this.#unwatch = [
      this.#metrics.watch(timers, 'append', this.#appendBudget, () => countOf(AppendBridge)),
      this.#metrics.watch(timers, 'fetch', this.#fetchBudget, () => countOf(FetchBridge)),
    ];
  }

  async #hold(session: BridgedSession): Promise<void> {
    this.#requireServing();
    if (this.#sessions.size >= sessionsMax) throw tooManySessions();
    this.#sessions.add(session);
    try {
      await session.run();
    } finally {
      this.#sessions.delete(session);
    }
  }

  #requireServing(): void {
    if (this.#stage !== 'serving') throw faults.notServing('this gateway', this.#stage);
  }
}

const tooManySessions = (): MoldauError =>
  new MoldauError('OVERLOADED', `this gateway has ${sessionsMax} sessions: retry later, or at another one`, {
    limit: 'sessions',
  });
