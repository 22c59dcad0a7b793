import { faults, randomName } from '@moldau/kernel';
import { Keys } from '@moldau/metadata';
import type { ServedService } from '@moldau/rpc';
import { type ClusterParts, clusterService } from './cluster-service.ts';
import { Compactor } from './compactor.ts';
import { type ControllerParts, controllerService } from './controller-service.ts';
import { Elections } from './elections.ts';
import { ImageKeeper } from './image-keeper.ts';
import { NodeConditions } from './node-conditions.ts';
import { NodeRoster } from './node-roster.ts';
import { type CoordinatorConfig, type CoordinatorPorts, defaultConfig } from './ports.ts';
import { ProducerIds } from './producer-ids.ts';
import { Registrar } from './registration.ts';
import { untilAnswered } from './store-access.ts';
import { StoreWriter } from './store-writer.ts';
import { Sweeper } from './sweeper.ts';
import { findClusterId, takeTerm } from './term.ts';
import { TopicChanges } from './topic-changes.ts';
import { TopicCreation } from './topic-creation.ts';

type Parts = ClusterParts &
  ControllerParts & {
    readonly writer: StoreWriter;
    readonly elections: Elections;
    readonly sweeper: Sweeper;
    readonly compactor: Compactor;
  };

/**
 * The service that decides: topics, leaders, nodes, producer ids. Everything that it knows is in the store; everything that
 * it serves comes from an image of it. One start is one term: once another coordinator has taken over, this one serves
 * nothing any more.
 */
export class Coordinator {
  readonly #ports: CoordinatorPorts;
  readonly #config: CoordinatorConfig;
  readonly #stopped = new AbortController();
  #parts: Parts | undefined;
  #stopping: Promise<void> | undefined;

  constructor(ports: CoordinatorPorts, config: Partial<CoordinatorConfig> = {}) {
    this.#ports = ports;
    this.#config = { ...defaultConfig, ...config };
  }

  /** Of the cluster that is served. Throws NOT_SERVING before the start. */
  get clusterId(): string {
    return this.#active().clusterId;
  }

  /** Aborted when this coordinator serves no more: stopped, replaced, or unable to read the store. */
  get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  /** Resolves when it serves. Waits for a store that does not answer. Rejects with StartError. */
  async start(): Promise<void> {
    const { store, random, logger } = this.#ports;
    const { instance } = this.#config;
    const until = <T>(attempt: () => Promise<T>): Promise<T> =>
      untilAnswered(this.#ports, this.#stopped.signal, attempt);
    const clusterId = this.#config.clusterId ?? (await until(() => findClusterId(store, random)));
    const nonce = randomName(random);
    const fence = await until(() => takeTerm(store, new Keys(clusterId), instance, nonce));
    const writer = new StoreWriter(this.#ports, fence, () => this.#fail('replaced by another coordinator'));
    const keeper = new ImageKeeper(this.#ports, clusterId, (error) => this.#fail('unable to follow the store', error));
    await keeper.start();
    const parts = this.#assemble(clusterId, keeper, writer);
    parts.roster.start();
    parts.elections.start((error) => this.#fail('stopped by a bug', error));
    parts.sweeper.start();
    parts.compactor.start();
    this.#parts = parts;
    logger.info('the coordinator serves', { cluster: clusterId, instance, version: keeper.image.revision });
  }

  /** May be asked for before the start: until then the handlers answer NOT_SERVING. */
  services(): ServedService[] {
    const active = (): Parts => this.#active();
    return [
      clusterService(active, this.#config, this.#ports.timers, this.#stopped.signal),
      controllerService(active, this.#config, this.#ports),
    ];
  }

  /** Ends all sessions and watches. Nodes go on without a coordinator; only changes wait. */
  async stop(): Promise<void> {
    this.#stopping ??= this.#end();
    await this.#stopping;
  }

  async #end(): Promise<void> {
    this.#stopped.abort(faults.notServing('the coordinator', 'stopped'));
    const parts = this.#parts;
    this.#parts = undefined;
    if (parts === undefined) return;
    parts.roster.stop();
    const { writer, elections, sweeper, compactor, keeper } = parts;
    await Promise.all([writer, elections, sweeper, compactor, keeper].map((part) => part.stop()));
  }

  #fail(why: string, error?: unknown): void {
    if (this.#stopping !== undefined) return;
    this.#ports.logger.error('the coordinator serves no more', { why, error });
    this.stop().catch((cause: unknown) => this.#ports.logger.error('the coordinator did not stop cleanly', { cause }));
  }

  #active(): Parts {
    if (this.#parts !== undefined) return this.#parts;
    throw faults.notServing('the coordinator', this.#stopped.signal.aborted ? 'stopped' : 'starting');
  }

  #assemble(clusterId: string, keeper: ImageKeeper, writer: StoreWriter): Parts {
    const { sessionTimeoutMs, tombstoneGraceMs } = this.#config;
    const conditions = new NodeConditions(this.#ports, keeper, writer);
    const roster = new NodeRoster(this.#ports, sessionTimeoutMs, keeper, conditions);
    const elections = new Elections(this.#ports, keeper, writer, roster);
    const creation = new TopicCreation(this.#ports, this.#config, keeper, writer);
    const { underway } = creation;
    return {
      clusterId,
      keeper,
      writer,
      conditions,
      roster,
      elections,
      creation,
      changes: new TopicChanges(this.#ports, keeper, writer, elections),
      registrar: new Registrar(this.#ports, clusterId, { keeper, writer, conditions, elections }),
      producerIds: new ProducerIds(this.#ports, keeper, writer),
      compactor: new Compactor(this.#ports),
      sweeper: new Sweeper(this.#ports, keeper, writer, { underway, graceMs: tombstoneGraceMs }),
    };
  }
}
