import type { GroupOptions } from '@moldau/groups';
import { type Millis, type NodeId, randomName, sleep } from '@moldau/kernel';
import { groupsTopic } from '@moldau/metadata';
import { NodeRole, NodeState } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import { type LinkedNode, NodeLink } from '@moldau/routing';
import type { ServedService } from '@moldau/rpc';
import { GroupCoordinator, type GroupCoordinatorPorts } from './group-coordinator.ts';
import type { LostShard } from './owned-shards.ts';
import { ViewShardTable } from './shard-table.ts';

/** The world, as a group coordinator of a cluster sees it. */
export type GroupNodePorts = Omit<GroupCoordinatorPorts, 'table'>;

/** What a group coordinator of a cluster is told. */
export interface GroupNodeConfig {
  readonly nodeId: NodeId;
  /** Addresses of all coordinators. */
  readonly coordinators: readonly string[];
  readonly rack: string;
  readonly version: string;
  readonly options?: GroupOptions | undefined;
}

/** What is not handed over in this time is taken over by others. */
const handOverMs: Millis = 5_000;
const lookEveryMs: Millis = 20;

/** A group coordinator that belongs to a cluster: registers, and serves the shards that it is given for as long as it lives. */
export class GroupNode {
  readonly #ports: GroupNodePorts;
  readonly #config: GroupNodeConfig;
  readonly #coordinator: GroupCoordinator;
  readonly #failing = Promise.withResolvers<never>();
  #link: NodeLink | undefined;
  #linkEnded: Promise<void> = Promise.resolve();
  readonly #registering = Promise.withResolvers<void>();
  #isStopped = false;

  constructor(ports: GroupNodePorts, config: GroupNodeConfig) {
    const { nodeId, coordinators, options } = config;
    this.#ports = ports;
    this.#config = config;
    this.#failing.promise.catch(() => {});
    this.#coordinator = new GroupCoordinator(
      { ...ports, table: (view) => new ViewShardTable(view, nodeId, () => this.#link?.nodeEpoch) },
      { nodeId, coordinators, topic: groupsTopic.name, shards: groupsTopic.partitions, options },
    );
  }

  /** `address`: where members reach it. Resolves when it knows the cluster and is known to it; or when it is stopped before. */
  async start(address: string): Promise<void> {
    const { nodeId, coordinators, rack, version } = this.#config;
    const registration = {
      nodeId,
      role: NodeRole.GROUP_COORDINATOR,
      clusterId: undefined,
      incarnation: randomName(this.#ports.random),
      address,
      rack,
      programVersion: version,
      highestVersion: 0n,
    };
    await this.#coordinator.start();
    if (this.#isStopped) return;
    this.#link = new NodeLink(coordinators, registration, this.#linked(), this.#ports);
    this.#linkEnded = this.#link.run().catch((error: unknown) => this.#failing.reject(error));
    await Promise.race([this.#registering.promise, this.#failing.promise]);
  }

  /** What it serves. */
  services(): ServedService[] {
    return this.#coordinator.services();
  }

  get isServing(): boolean {
    return this.#link?.nodeEpoch !== undefined && this.#coordinator.isServing;
  }

  /** Empty while it does not know. */
  get clusterId(): string {
    return this.#coordinator.view.clusterId;
  }

  /** The shards that it serves now. */
  get servedShards(): number[] {
    return this.#coordinator.servedShards;
  }

  /** Those that it was given and has lost by a failure: the coordinator hears of them until it has given them out anew. */
  get lostShards(): LostShard[] {
    return this.#coordinator.lostShards;
  }

  /** Rejects when this process can't go on as this node: it is of another cluster, or another start has taken its place. Never resolves. */
  get failed(): Promise<never> {
    return this.#failing.promise;
  }

  /** Has its shards given to others, if there are any, and waits until those have them. */
  async handOver(): Promise<void> {
    if (!this.isServing || !this.#hasPeers) return;
    this.#link?.leave();
    const { timers, clock } = this.#ports;
    const endMs = clock.monotonicMs() + handOverMs;
    while (this.servedShards.length > 0 && clock.monotonicMs() < endMs) await sleep(timers, lookEveryMs);
  }

  /** Asks every member to leave, and takes nothing new. */
  drain(graceMs: Millis): void {
    this.#coordinator.drain(graceMs);
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#coordinator.stop();
    this.#link?.stop();
    this.#registering.resolve();
    await this.#linkEnded;
  }

  #linked(): LinkedNode {
    return {
      registered: async () => this.#registering.resolve(),
      // It keeps no partition, and so has nothing to report: what it was given is in the metadata of the cluster.
      apply: async () => [],
      status: () => ({ lostShards: this.lostShards.map(({ shard, epoch }) => ({ index: shard, epoch })) }),
    };
  }

  get #hasPeers(): boolean {
    const { nodeId } = this.#config;
    return this.#coordinator.view
      .nodes()
      .some(
        ({ id, role, state }) => id !== nodeId && role === NodeRole.GROUP_COORDINATOR && state === NodeState.ACTIVE,
      );
  }
}
