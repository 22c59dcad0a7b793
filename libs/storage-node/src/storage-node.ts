import {
  type Clock,
  type FileSystem,
  faults,
  Gate,
  type Logger,
  type Meter,
  type NodeEpoch,
  type NodeId,
  nodeEpoch,
  type Random,
  randomName,
  type Timers,
} from '@moldau/kernel';
import { LogDirectory } from '@moldau/log';
import { NodeRole } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import { type LinkedNode, NodeLink, Relay } from '@moldau/routing';
import { type Dialer, type ServedService, sealError } from '@moldau/rpc';
import { AppendBudget } from './append-budget.ts';
import type { AppendStream } from './append-session.ts';
import { Assignments } from './assignments.ts';
import { alterIsr, takeProducerIds } from './coordinator-calls.ts';
import type { FetchStream } from './fetch-session.ts';
import { internalLogService, logService } from './log-service.ts';
import type { Partition } from './partition.ts';
import { Partitions } from './partitions.ts';
import { ProducerIds } from './producer-ids.ts';
import { type Identity, Replication } from './replication/replication.ts';

/** The world, as a storage node sees it. */
export interface StorageNodePorts {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Reaches the coordinators. */
  readonly dialer: Dialer;
  /** Changes when the machine restarts: tells a kill from a loss of power. */
  readonly bootId: string;
}

/** What a storage node is told. */
export interface StorageNodeConfig {
  readonly nodeId: NodeId;
  readonly directory: string;
  /** Addresses of all coordinators; one of them is active. */
  readonly coordinators: readonly string[];
  readonly rack: string;
  readonly version: string;
  /** Bytes of the last batches that stay in memory for readers at the tail. */
  readonly tailCacheBytes: number;
  /** Bytes that all appends may hold in memory before they are durable. */
  readonly appendBudgetBytes: number;
  /** Bytes that one append session may have in flight. */
  readonly appendWindowBytes: number;
  /** Below so much free space appends are refused. `undefined`: the smaller of 5 % and 2 GiB. */
  readonly minFreeBytes: number | undefined;
  /** Everything on disk is checked, and compared with its leader's copy, once in this time. Infinity: never. */
  readonly scrubIntervalMs: number;
}

/** Without an answer of the coordinator for so long, a node that leaves goes as it is. */
const handOverMs = 5_000;
const maxOpenFiles = 4_096;
/** Reads from disk at one time, fair among partitions. */
const coldReads = 4;

/** What a storage node does now. */
export type NodeStage = 'starting' | 'recovering' | 'registering' | 'serving' | 'leaving' | 'stopped';

/** A storage node: keeps partitions, appends to those it leads, and serves readers. */
export class StorageNode {
  readonly #ports: StorageNodePorts;
  readonly #config: StorageNodeConfig;
  readonly #relay: Relay;
  readonly #partitions: Partitions;
  readonly #budget: AppendBudget;
  readonly #sessions = new Set<AppendStream | FetchStream>();
  readonly #producerIds = new ProducerIds(() => takeProducerIds(this.#requireLink()));
  readonly #replication: Replication;
  readonly #staged = new Gate();
  readonly #applied = new Gate();
  #stage: NodeStage = 'starting';
  #directory: LogDirectory | undefined;
  #link: NodeLink | undefined;
  #linkEnded: Promise<void> = Promise.resolve();
  readonly #failing = Promise.withResolvers<never>();
  #failure: Error | undefined;
  /** The coordinator's wall clock less our monotonic one. */
  #coordinatorAhead: number | undefined;

  constructor(ports: StorageNodePorts, config: StorageNodeConfig) {
    this.#ports = ports;
    this.#config = config;
    this.#budget = new AppendBudget(config.appendBudgetBytes);
    this.#relay = new Relay({ coordinators: config.coordinators, advertise: 'registered' }, ports);
    this.#partitions = new Partitions(config.nodeId, this.#relay.view);
    this.#replication = new Replication(
      {
        ...ports,
        partitions: this.#partitions,
        me: config.nodeId,
        identity: () => this.#identity(),
        addressOf: (node) => this.#relay.view.node(node)?.address,
        newestStartOf: (node) => {
          const epoch = this.#relay.view.node(node)?.epoch;
          return epoch === undefined ? undefined : nodeEpoch(epoch);
        },
        alterIsr: (changes) => alterIsr(this.#requireLink(), changes),
        requireServing: () => this.#requireServing(),
        scrubIntervalMs: config.scrubIntervalMs,
      },
      () => this.#requireDirectory(),
    );
    // Whoever runs the node may listen, and need not.
    this.#failing.promise.catch(() => {});
  }

  /**
   * Opens the data directory, recovers it, registers, and resolves when the first assignments are applied. `address`: where
   * clients and peers reach this node, as host:port. Its services must be served there by then. Rejects with a StartError.
   */
  async start(address: string): Promise<void> {
    this.#relay.start();
    try {
      await this.#join(address);
    } catch (error) {
      await this.#relay.stop();
      throw error;
    }
  }

  async #join(address: string): Promise<void> {
    const { fs, clock, timers, random, logger, meter, bootId } = this.#ports;
    const { nodeId, directory: path, coordinators, rack, version, tailCacheBytes, minFreeBytes } = this.#config;
    this.#enter('recovering');
    const options = {
      path,
      nodeId,
      bootId,
      tailCacheBytes,
      minFreeBytes,
      maxOpenFiles,
      coldReads,
      coordinatorMs: () => this.#coordinatorMs(),
    };
    const directory = await LogDirectory.open({ fs, clock, timers, random, logger, meter }, options);
    this.#directory = directory;
    await directory.recover((recovered, partitions) => logger.info('recovering', { recovered, partitions }));
    this.#enter('registering');
    const registration = {
      nodeId,
      role: NodeRole.STORAGE,
      clusterId: directory.clusterId,
      incarnation: randomName(random),
      address,
      rack,
      programVersion: version,
      highestVersion: directory.assignedUpTo,
    };
    const link = new NodeLink(coordinators, registration, this.#linked(directory), this.#ports);
    this.#link = link;
    directory.onFailure(() => link.reportStatus());
    this.#replication.start();
    this.#linkEnded = link.run().catch((error: unknown) => this.#fail(error));
    while (this.#stage === 'registering') await this.#staged.wait();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** What it serves. */
  services(): ServedService[] {
    const { clock, timers, random } = this.#ports;
    const parts = {
      partitions: this.#partitions,
      budget: this.#budget,
      producerIds: this.#producerIds,
      clock,
      timers,
      random,
      windowBytes: this.#config.appendWindowBytes,
      admit: () => this.#admit(),
      seal: (error: unknown) => sealError(error, 'a session', this.#ports),
      requireServing: () => this.#requireServing(),
      catchUp: () => this.#relay.catchUp(),
      hold: (session: AppendStream | FetchStream) => this.#hold(session),
    };
    return [logService(parts), internalLogService(parts), this.#relay.service(), this.#replication.service()];
  }

  get isServing(): boolean {
    return this.#stage === 'serving';
  }

  get stage(): NodeStage {
    return this.#stage;
  }

  /** Of the data directory. Empty before it is known. */
  get clusterId(): string {
    return this.#directory?.clusterId ?? '';
  }

  /** Rejects when this process can't go on as this node; never resolves. */
  get failed(): Promise<never> {
    return this.#failing.promise;
  }

  /** What it holds, for those who only look: measurements, and the simulator after every event. */
  get partitions(): Iterable<Partition> {
    return this.#partitions.all();
  }

  /** Bytes that appends hold in memory now. Above the budget by no more than one frame. */
  get heldAppendBytes(): number {
    return this.#budget.heldBytes;
  }

  /**
   * Lets others lead what they can, while this node still serves. Resolves when they do, or after a while: whatever it leads
   * then has no other copy in sync, or there is no coordinator to say who shall. Before `drain`.
   */
  async handOver(): Promise<void> {
    const mayMove = (): boolean =>
      [...this.#partitions.all()].some(({ leading }) => leading !== undefined && leading.committed.isr.length > 1);
    if (this.#stage !== 'serving' || !mayMove()) return;
    this.#requireLink().leave();
    let isLate = false;
    const cancel = this.#ports.timers.after(handOverMs, () => {
      isLate = true;
      this.#applied.open();
    });
    while (!isLate && mayMove()) await this.#applied.wait();
    cancel();
  }

  /** Asks every client to leave. Appends are refused from now on. */
  drain(graceMs: number): void {
    this.#enter('leaving');
    for (const session of this.#sessions) session.drain(graceMs);
  }

  /** Ends everything: what is appended is synced, and the directory is marked clean. */
  async stop(): Promise<void> {
    this.#enter('stopped');
    this.#link?.stop();
    await this.#linkEnded;
    for (const partition of this.#partitions.all()) {
      partition.stepDown();
      await partition.stopFollowing();
    }
    await this.#replication.stop();
    await this.#directory?.close();
    await this.#relay.stop();
  }

  #linked(directory: LogDirectory): LinkedNode {
    const { logger, clock, timers } = this.#ports;
    const ports = { logger, timers, replication: this.#replication, now: () => clock.monotonicMs() };
    const assignments = new Assignments(this.#config.nodeId, directory, this.#partitions, ports, (report) =>
      this.#link?.report(report),
    );
    let epoch: NodeEpoch = nodeEpoch(0n);
    return {
      registered: async (clusterId, registered) => {
        epoch = registered;
        if (directory.clusterId === undefined) await directory.adoptCluster(clusterId);
      },
      apply: async (message) => {
        this.#coordinatorAhead = Number(message.nowMs) - this.#ports.clock.monotonicMs();
        const reports = await assignments.apply(message, epoch);
        if (this.#stage === 'registering') this.#enter('serving');
        this.#applied.open();
        return reports;
      },
      status: () => ({ storageFailed: directory.failure !== undefined, diskFull: directory.diskState === 'full' }),
    };
  }

  async #hold(stream: AppendStream | FetchStream): Promise<void> {
    this.#requireServing();
    this.#sessions.add(stream);
    try {
      await stream.run();
    } finally {
      this.#sessions.delete(stream);
    }
  }

  /** The coordinator's time now, as far as it has told us. */
  #coordinatorMs(): number | undefined {
    return this.#coordinatorAhead === undefined ? undefined : this.#coordinatorAhead + this.#ports.clock.monotonicMs();
  }

  #admit(): void {
    this.#requireServing();
    this.#directory?.requireSpace();
  }

  #requireServing(): void {
    if (this.#stage !== 'serving') throw faults.notServing(`node ${this.#config.nodeId}`, this.#stage);
  }

  #identity(): Identity | undefined {
    const { nodeEpoch, sessionTimeoutMs = 0 } = this.#link ?? {};
    return nodeEpoch === undefined ? undefined : { clusterId: this.clusterId, nodeEpoch, sessionTimeoutMs };
  }

  #requireDirectory(): LogDirectory {
    if (this.#directory === undefined) throw faults.notServing(`node ${this.#config.nodeId}`, this.#stage);
    return this.#directory;
  }

  #requireLink(): NodeLink {
    if (this.#link === undefined) throw faults.notServing(`node ${this.#config.nodeId}`, this.#stage);
    return this.#link;
  }

  #fail(error: unknown): void {
    this.#failure = error instanceof Error ? error : new Error(String(error));
    this.#ports.logger.error('this node can not go on', { error });
    this.#enter('stopped');
    this.#failing.reject(this.#failure);
  }

  #enter(stage: NodeStage): void {
    this.#stage = stage;
    this.#staged.open();
  }
}
