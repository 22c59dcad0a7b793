import type { GroupOptions } from '@moldau/groups';
import { type Millis, type NodeId, randomName, sleep } from '@moldau/kernel';
import { groupsTopic } from '@moldau/metadata';
import { NodeRole, NodeState } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import type { ServedService } from '@moldau/rpc';
import { GroupCoordinator, type GroupCoordinatorPorts } from './group-coordinator.ts';
import { NodeLink } from './node-link.ts';
import { ViewShardTable } from './shard-table.ts';

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
  readonly #ports: Omit<GroupCoordinatorPorts, 'table'>;
  readonly #config: GroupNodeConfig;
  readonly #coordinator: GroupCoordinator;
  readonly #failing = Promise.withResolvers<never>();
  #link: NodeLink | undefined;
  #linked: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(ports: Omit<GroupCoordinatorPorts, 'table'>, config: GroupNodeConfig) {
    const { nodeId, coordinators, options } = config;
    this.#ports = ports;
    this.#config = config;
    this.#failing.promise.catch(() => {});
    this.#coordinator = new GroupCoordinator(
      { ...ports, table: (view) => new ViewShardTable(view, nodeId, () => this.#link?.epoch) },
      { nodeId, coordinators, topic: groupsTopic.name, shards: groupsTopic.partitions, options },
    );
  }

  /** `address`: where members reach it. Resolves when it knows the cluster and is known to it; or when it is stopped before. */
  async start(address: string): Promise<void> {
    const { nodeId, coordinators, rack, version } = this.#config;
    const incarnation = randomName(this.#ports.random);
    await this.#coordinator.start();
    if (this.#isStopped) return;
    const link = new NodeLink(
      coordinators,
      { nodeId, incarnation, address, rack, programVersion: version },
      this.#ports,
      () => this.#coordinator.lostShards,
    );
    this.#link = link;
    this.#linked = link.run().catch((error: unknown) => this.#failing.reject(error));
    await Promise.race([link.registered, this.#failing.promise]);
  }

  /** What it serves. */
  services(): ServedService[] {
    return this.#coordinator.services();
  }

  get isServing(): boolean {
    return this.#link?.epoch !== undefined && this.#coordinator.isServing;
  }

  /** Empty while it does not know. */
  get clusterId(): string {
    return this.#coordinator.view.clusterId;
  }

  /** The shards that it serves now. */
  get servedShards(): number[] {
    return this.#coordinator.servedShards;
  }

  /** Rejects when another start of this node has taken its place. Never resolves. */
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
    await this.#linked;
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
