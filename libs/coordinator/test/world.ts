import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { randomName, silentLogger, silentMeter } from '@moldau/kernel';
import type { MetadataStore } from '@moldau/metadata';
import {
  ClusterService,
  CreateTopicRequestSchema,
  type CreateTopicResponse,
  DeleteTopicRequestSchema,
  DescribeClusterRequestSchema,
  DescribeTopicRequestSchema,
  GetMetadataRequestSchema,
  ListNodesRequestSchema,
  ListTopicsRequestSchema,
  UpdateTopicRequestSchema,
  WatchMetadataRequestSchema,
} from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import type { NodeRole } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import {
  AllocateProducerIdsRequestSchema,
  AlterIsrRequestSchema,
  ControllerService,
} from '@moldau/proto/moldau/internal/v1/controller_pb';
import { type CallContext, defaultLimits, type Handlers, MemoryNetwork } from '@moldau/rpc';
import { MemoryStore, SeededRandom, VirtualTime } from '@moldau/testing';
import type { ExecutionContext } from 'ava';
import { Coordinator, type CoordinatorConfig } from '../src/index.ts';
import { FakeNode } from './fake-node.ts';

export const context = (signal = new AbortController().signal): CallContext => ({
  principal: { kind: 'anonymous', name: '' },
  authority: 'here.example:7070',
  peer: 'test',
  forwarded: false,
  signal,
  timeLeftMs: () => undefined,
  keeps: () => {},
});

type Init<S extends Parameters<typeof create>[0]> = MessageInitShape<S>;

/** One coordinator as its clients see it: the handlers are called as a transport would. */
export class Office {
  readonly coordinator: Coordinator;
  readonly cluster: Required<Handlers<typeof ClusterService>>;
  readonly controller: Required<Handlers<typeof ControllerService>>;

  constructor(coordinator: Coordinator) {
    this.coordinator = coordinator;
    const served = coordinator.services();
    const handlersOf = (name: string) => served.find(({ service }) => service.typeName === name)?.handlers ?? {};
    this.cluster = handlersOf(ClusterService.typeName) as Office['cluster'];
    this.controller = handlersOf(ControllerService.typeName) as Office['controller'];
  }

  createTopic(init: Init<typeof CreateTopicRequestSchema>) {
    return this.cluster.createTopic(create(CreateTopicRequestSchema, init), context());
  }
  updateTopic(init: Init<typeof UpdateTopicRequestSchema>) {
    return this.cluster.updateTopic(create(UpdateTopicRequestSchema, init), context());
  }
  deleteTopic(init: Init<typeof DeleteTopicRequestSchema>) {
    return this.cluster.deleteTopic(create(DeleteTopicRequestSchema, init), context());
  }
  describeTopic(name: string) {
    return this.cluster.describeTopic(create(DescribeTopicRequestSchema, { name }), context());
  }
  listTopics(init: Init<typeof ListTopicsRequestSchema> = {}) {
    return this.cluster.listTopics(create(ListTopicsRequestSchema, init), context());
  }
  listNodes(init: Init<typeof ListNodesRequestSchema> = {}) {
    return this.cluster.listNodes(create(ListNodesRequestSchema, init), context());
  }
  describeCluster() {
    return this.cluster.describeCluster(create(DescribeClusterRequestSchema), context());
  }
  getMetadata(init: Init<typeof GetMetadataRequestSchema> = {}) {
    return this.cluster.getMetadata(create(GetMetadataRequestSchema, init), context());
  }
  watchMetadata(signal: AbortSignal, topics: string[] = []) {
    return this.cluster.watchMetadata(create(WatchMetadataRequestSchema, { topics }), context(signal));
  }
  allocateProducerIds(nodeId: number, nodeEpoch: bigint) {
    const request = create(AllocateProducerIdsRequestSchema, { nodeId, nodeEpoch });
    return this.controller.allocateProducerIds(request, context());
  }
  alterIsr(init: Init<typeof AlterIsrRequestSchema>) {
    return this.controller.alterIsr(create(AlterIsrRequestSchema, init), context());
  }

  /** The leader and its epoch of one partition. */
  async leader(topic: string, index = 0): Promise<{ leader: number | undefined; epoch: number | undefined }> {
    const found = (await this.getMetadata({ topics: [topic] })).topics?.[0]?.partitions?.[index];
    return { leader: found?.leader, epoch: found?.leaderEpoch };
  }
}

export type Created = CreateTopicResponse;

/** A store, its time, and the coordinators and nodes around it. */
export class World {
  readonly time = new VirtualTime();
  readonly random: SeededRandom;
  readonly store: MemoryStore;
  /** Where addresses of nodes are probed. */
  readonly network: MemoryNetwork;
  readonly #t: ExecutionContext;
  #skewMs = 0;

  constructor(t: ExecutionContext, seed = 1) {
    this.#t = t;
    this.random = new SeededRandom(seed);
    this.store = new MemoryStore({ timers: this.time });
    this.network = new MemoryNetwork({ limits: defaultLimits, timers: this.time });
  }

  coordinator(config: Partial<CoordinatorConfig> = {}, store: MetadataStore = this.store, meter = silentMeter): Office {
    const { time, random } = this;
    const clock = { wallMs: () => time.wallMs(), monotonicMs: () => time.monotonicMs() + this.#skewMs };
    const dialer = this.network.dialer('coordinator');
    const ports = { store, clock, timers: time, random, logger: silentLogger, meter, dialer };
    const office = new Office(new Coordinator(ports, config));
    this.#t.teardown(async () => {
      await this.time.run(office.coordinator.stop());
    });
    return office;
  }

  async started(config: Partial<CoordinatorConfig> = {}): Promise<Office> {
    const office = this.coordinator(config);
    await this.time.run(office.coordinator.start());
    return office;
  }

  /** A process that has nothing to say but that it is there. */
  listen(address: string): { close(): void } {
    const { time, random } = this;
    const ports = { clock: time, timers: time, random, logger: silentLogger, meter: silentMeter };
    return this.network.listen(address, [], ports);
  }

  /** Lets time pass until the promise settles. */
  run<T>(promise: Promise<T>): Promise<T> {
    return this.time.run(promise);
  }

  /** The coordinators' process stands still for so long: its timers fire late by this. */
  stall(ms: number): void {
    this.#skewMs += ms;
  }

  /** The same start of a node, over another connection. */
  twin(node: FakeNode): FakeNode {
    const twin = new FakeNode(this.time, node.id, { incarnation: 'unused' });
    twin.epoch = node.epoch;
    twin.clusterId = node.clusterId;
    this.#t.teardown(() => twin.die());
    return twin;
  }

  readonly #started = new Set<number>();

  /** A node that has registered; `join` opens its session. */
  async node(
    office: Office,
    id: number,
    options: { rack?: string; address?: string; role?: NodeRole } = {},
  ): Promise<FakeNode> {
    const node = new FakeNode(this.time, id, { ...options, incarnation: randomName(this.random) });
    this.#t.teardown(() => node.die());
    // A later start of a node finds the cluster in its directory.
    await this.run(node.register(office, this.#started.has(id) ? office.coordinator.clusterId : ''));
    this.#started.add(id);
    return node;
  }

  /** A node that serves. */
  async activeNode(office: Office, id: number, options: { rack?: string; role?: NodeRole } = {}): Promise<FakeNode> {
    const node = await this.node(office, id, options);
    node.join(office);
    await this.until(async () => {
      const { nodes } = await office.listNodes();
      return nodes?.some((shown) => shown.id === id && shown.state === 1) ?? false;
    });
    return node;
  }

  /** Lets time pass until an answer is as wanted. */
  async until(condition: () => Promise<boolean>, maxMs = 60_000): Promise<void> {
    const end = this.time.monotonicMs() + maxMs;
    while (!(await this.run(condition()))) {
      if (this.time.monotonicMs() > end) throw new Error(`the condition does not hold after ${maxMs} virtual ms`);
      await this.time.runFor(20);
    }
  }
}
