import { faults, Gate, jittered, sleep } from '@moldau/kernel';
import { Keys } from '@moldau/metadata';
import { Connections } from '@moldau/routing';
import type { ServedService } from '@moldau/rpc';
import { Candidate } from './candidate.ts';
import { ClusterGauges } from './cluster-gauges.ts';
import { findClusterId } from './cluster-id.ts';
import { clusterService } from './cluster-service.ts';
import { controllerService } from './controller-service.ts';
import { type CoordinatorConfig, type CoordinatorPorts, defaultConfig } from './ports.ts';
import { withStandby } from './standby.ts';
import { untilAnswered } from './store-access.ts';
import { Term } from './term.ts';

/** What a coordinator does now. `standby`: another one is active. */
export type CoordinatorStage = 'starting' | 'standby' | 'active' | 'stopped';

const againAfterMs = 1_000;

/**
 * The service that decides: topics, leaders, nodes, producer ids. Several of them may run; one is active, and the others
 * wait for its office. Everything that it knows is in the store; everything that it serves comes from an image of it.
 */
export class Coordinator {
  readonly #ports: CoordinatorPorts;
  readonly #config: CoordinatorConfig;
  readonly #stopped = new AbortController();
  /** To the coordinator that is active while this one stands by. */
  readonly #connections: Connections;
  readonly #gauges: ClusterGauges;
  readonly #staged = new Gate();
  #stage: CoordinatorStage = 'starting';
  #clusterId: string | undefined;
  #candidate: Candidate | undefined;
  #term: Term | undefined;
  #running: Promise<void> = Promise.resolve();
  readonly #failing = Promise.withResolvers<never>();
  #failure: unknown;

  constructor(ports: CoordinatorPorts, config: Partial<CoordinatorConfig> = {}) {
    this.#ports = ports;
    this.#config = { ...defaultConfig, ...config };
    this.#connections = new Connections(ports.dialer);
    this.#gauges = new ClusterGauges(ports);
    // Whoever runs it may listen, and need not.
    this.#failing.promise.catch(() => {});
  }

  /** Of the store's cluster. Throws NOT_SERVING before it is known. */
  get clusterId(): string {
    if (this.#clusterId === undefined) throw faults.notServing('the coordinator', this.#stage);
    return this.#clusterId;
  }

  get stage(): CoordinatorStage {
    return this.#stage;
  }

  /** True while it answers as the active one. */
  get isServing(): boolean {
    return this.#term?.office.isValid ?? false;
  }

  /** Rejects when it can't be active in this process; never resolves. */
  get failed(): Promise<never> {
    return this.#failing.promise;
  }

  /** Aborted when this coordinator is of no use any more: stopped, or unable to read the store. */
  get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  /**
   * Resolves when it is active, or stands by for another one. Waits for a store that does not answer. `address`: where the
   * other coordinators reach this one, as host:port. Empty: nowhere, and there are none.
   */
  async start(address = ''): Promise<void> {
    const { store, random } = this.#ports;
    const { signal } = this.#stopped;
    this.#clusterId = await untilAnswered(this.#ports, signal, () => findClusterId(store, random));
    const { instance, leaseMs } = this.#config;
    this.#candidate = new Candidate(this.#ports, new Keys(this.#clusterId), { instance, address }, leaseMs);
    this.#running = this.#run(this.#candidate, this.#clusterId).catch((error: unknown) => this.#fail(error));
    while (this.#stage === 'starting') await this.#staged.wait();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** May be asked for before the start: until then the handlers answer NOT_SERVING. */
  services(): ServedService[] {
    const active = (): Term => this.#active();
    const standby = {
      isActive: () => this.#term !== undefined,
      activeAddress: () => this.#candidate?.holder?.address || undefined,
    };
    return [
      withStandby(clusterService(active, this.#config, this.#ports.timers), standby, this.#connections),
      controllerService(active, this.#config.sessionTimeoutMs, this.#ports),
    ];
  }

  /** Ends all sessions and watches, and lets another coordinator take over. */
  async stop(): Promise<void> {
    this.#stopped.abort(faults.notServing('the coordinator', 'stopped'));
    this.#enter('stopped');
    await this.#running;
    this.#connections.close();
  }

  async #run(candidate: Candidate, clusterId: string): Promise<void> {
    const { signal } = this.#stopped;
    const { logger } = this.#ports;
    const { instance } = this.#config;
    while (!signal.aborted) {
      const office = await candidate.win(signal, () => this.#enter('standby'));
      const term = new Term(this.#ports, this.#config, clusterId, office);
      signal.addEventListener('abort', () => office.end('stops'), { once: true });
      try {
        await term.begin();
        this.#term = term;
        this.#enter('active');
        this.#gauges.start(term.keeper.image);
        logger.info('the coordinator is active', { cluster: clusterId, instance, term: office.term });
        const end = await term.ended();
        if (end.kind === 'failed') throw end.error;
        if (!signal.aborted) logger.warn('not the active coordinator any more', { why: office.over.reason.message });
      } catch (error) {
        if (!office.over.aborted) throw error;
      } finally {
        this.#term = undefined;
        this.#gauges.stop();
        if (this.#stage === 'active') this.#enter('standby');
        await term.stop();
      }
      // Whoever waits for the office comes first.
      await sleep(this.#ports.timers, jittered(this.#ports.random, againAfterMs), signal);
    }
  }

  #active(): Term {
    const term = this.#term;
    if (term !== undefined) {
      term.office.requireValid();
      return term;
    }
    throw faults.notServing('the coordinator', this.#stage === 'standby' ? this.#standingBy() : this.#stage);
  }

  #standingBy(): string {
    const holder = this.#candidate?.holder;
    return holder === undefined ? 'not active: nobody is, at the moment' : `standing by for ${holder.instance}`;
  }

  #fail(error: unknown): void {
    if (this.#stopped.signal.aborted) return;
    this.#ports.logger.error('the coordinator serves no more', { error });
    this.#failure = error;
    this.#failing.reject(error);
    this.#stopped.abort(faults.notServing('the coordinator', 'stopped'));
    this.#enter('stopped');
  }

  #enter(stage: CoordinatorStage): void {
    if (this.#stage === 'stopped') return;
    this.#stage = stage;
    this.#staged.open();
  }
}
