import { join } from 'node:path';
import { Moldau } from '@moldau/client';
import { Coordinator } from '@moldau/coordinator';
import { EmbeddedStore, inMemory } from '@moldau/embedded-store';
import { Gateway } from '@moldau/gateway';
import { GroupNode } from '@moldau/group-coordinator';
import { bootId, HostFileSystem, hostClock, hostRandom, hostTimers, MemoryFileSystem } from '@moldau/host';
import { type FileSystem, type Logger, labelled, type Meter, nodeId } from '@moldau/kernel';
import {
  batchBytesMax,
  drainMs,
  type ProcessIdentity,
  serverInfo,
  sessionWindowBytes,
} from '@moldau/process/server-info';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { NodeRole } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import {
  CallBudget,
  type Dialer,
  GrpcDialer,
  GrpcServer,
  limitsFor,
  MemoryNetwork,
  type ServedService,
} from '@moldau/rpc';
import { StorageNode } from '@moldau/storage-node';
import { Subscriptions } from '@moldau/subscriptions';

/** How a cluster of one process is made. */
export interface DevClusterOptions {
  /** Where everything is kept. `undefined`: in memory, until the process ends. */
  readonly directory: string | undefined;
  /** At most so much in memory, without a directory. */
  readonly memoryBytes: number;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Storage nodes. More than one listen on ports of their own, from `port` + 1 on, behind a gateway. Default 1. */
  readonly nodes?: number;
  readonly version: string;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Told how many bytes each message has that came in or goes out. */
  readonly onMoved?: (bytes: number) => void;
}

/** A storage node of a running cluster, at host:port. */
export interface DevNode {
  readonly id: number;
  readonly address: string;
}

/** A running cluster of one process. */
export interface DevCluster {
  readonly host: string;
  readonly port: number;
  readonly clusterId: string;
  /** The storage nodes that run, and where each is reached besides. */
  readonly nodes: readonly DevNode[];
  /** Lets clients finish for a moment, syncs, and closes. */
  stop(): Promise<void>;
}

const MiB = 1024 * 1024;
const limits = limitsFor(batchBytesMax);
const callTimeoutMs = 10_000;
/** Of a topic that does not say how many, as far as there are nodes. */
const replicasMax = 3;
const coordinatorAddress = 'coordinator';
/** Where the whole of a cluster of one node is reached from inside: whoever asks there is told that its node is there, too. */
const allAddress = 'all';
const insideAddresses: readonly string[] = [coordinatorAddress, allAddress];
/** Above those of all storage nodes. */
const groupNodeId = 101;

/**
 * Starts a coordinator over the embedded store, a group coordinator, and storage nodes with, if there are several, a gateway in
 * front. Throws a StartError.
 */
export async function startDevCluster(options: DevClusterOptions): Promise<DevCluster> {
  const { directory, memoryBytes } = options;
  const fs = directory === undefined ? new MemoryFileSystem(memoryBytes) : new HostFileSystem();
  if (directory !== undefined) await fs.makeDirectory(directory);
  const running = new Running(options, fs);
  try {
    const bound = options.nodes === undefined || options.nodes === 1 ? await running.one() : await running.several();
    await running.warnOfMissing();
    const { coordinator, nodes } = running;
    return { ...bound, clusterId: coordinator.clusterId, nodes, stop: () => running.stop() };
  } catch (error) {
    await running.stop();
    throw error;
  }
}

/** The world as a node sees it, or all the rest of the process (node 0): each counts and measures for itself. */
const worldOf = ({ logger, meter }: DevClusterOptions, node = 0) => ({
  clock: hostClock,
  timers: hostTimers,
  random: hostRandom,
  logger,
  meter: labelled(meter, { node: node === 0 ? '' : String(node) }),
});

type Bound = { readonly host: string; readonly port: number };

/** What has been started so far. */
class Running {
  readonly coordinator: Coordinator;
  readonly nodes: DevNode[] = [];
  readonly #options: DevClusterOptions;
  readonly #fs: FileSystem;
  readonly #world: ReturnType<typeof worldOf>;
  /** One for all servers of the process. */
  readonly #budget: CallBudget;
  readonly #dialer: Dialer;
  readonly #undo: (() => Promise<void>)[] = [];
  /** Serves inside of this process. */
  readonly #listen: (address: string, services: readonly ServedService[]) => void;

  constructor(options: DevClusterOptions, fs: FileSystem) {
    const { directory, onMoved } = options;
    const world = worldOf(options);
    const inside = new MemoryNetwork({ limits, timers: world.timers });
    const sockets = new GrpcDialer({ ...world, limits, onMoved });
    const store = EmbeddedStore.open(directory === undefined ? inMemory : join(directory, 'metadata.sqlite'), world);
    this.#options = options;
    this.#fs = fs;
    this.#world = world;
    this.#budget = new CallBudget(limits, world);
    this.#undo.push(async () => store.close());
    // What is here is not looked for outside.
    this.#dialer = {
      dial: (address, purpose) =>
        (insideAddresses.includes(address) ? inside.dialer('here') : sockets).dial(address, purpose),
    };
    const { nodes = 1 } = options;
    this.coordinator = new Coordinator(
      { ...world, store, dialer: this.#dialer },
      {
        autoCreate: true,
        defaultReplicas: Math.min(replicasMax, nodes),
        // Alone, the one address is whatever it was called by; of several, the gateway says so.
        advertise: nodes === 1 ? 'authority' : 'registered',
      },
    );
    this.#listen = (address, services) => {
      const listening = inside.listen(address, services, world);
      this.#undo.push(async () => listening.close());
    };
  }

  /** The node's own server answers for everything. */
  async one(): Promise<Bound> {
    await this.#decide();
    const node = await this.#node(1);
    const cluster = this.coordinator.services().filter(({ service }) => service === ClusterService);
    const log = node.services().filter(({ service }) => service !== ClusterService);
    const groups = this.#groupNode(allAddress);
    const group = groups.services().filter(({ service }) => service !== ClusterService);
    this.#listen(allAddress, [...this.coordinator.services(), ...log, ...group]);
    const subscriptions = this.#subscriptions(allAddress);
    const { server, bound } = await this.#serve([...cluster, ...log, ...group, subscriptions], this.#options.port, {
      roles: ['coordinator', 'storage-node', 'group-coordinator'],
      nodeId: 1,
    });
    await this.#join(node, 1, bound);
    await this.#joinGroups(groups, bound);
    server.setServing(true);
    return bound;
  }

  async several(): Promise<Bound> {
    const { nodes = 1, port } = this.#options;
    await this.#decide();
    const gateway = new Gateway(
      { ...this.#world, dialer: this.#dialer },
      {
        coordinators: [coordinatorAddress],
        appendBytes: 64 * MiB,
        fetchBytes: 64 * MiB,
        windowBytes: sessionWindowBytes,
      },
    );
    this.#undo.push(() => gateway.stop());
    for (let id = 1; id <= nodes; id += 1) {
      const node = await this.#node(id);
      const identity = { roles: ['storage-node'], nodeId: id };
      const { server, bound } = await this.#serve(node.services(), port === 0 ? 0 : port + id, identity);
      await this.#join(node, id, bound);
      server.setServing(true);
    }
    const groups = this.#groupNode(coordinatorAddress);
    const { server: groupServer, bound: groupsBound } = await this.#serve(
      groups.services(),
      port === 0 ? 0 : port + nodes + 1,
      { roles: ['group-coordinator'], nodeId: groupNodeId },
    );
    await this.#joinGroups(groups, groupsBound);
    groupServer.setServing(true);
    const identity = { roles: ['coordinator', 'gateway'], nodeId: 0 };
    const services = [...gateway.services(), this.#subscriptions(coordinatorAddress)];
    const { server, bound } = await this.#serve(services, port, identity);
    this.#undo.push(async () => gateway.drain(drainMs));
    await gateway.start();
    server.setServing(true);
    return bound;
  }

  /** Nodes that the directory has and nobody has started: what only they keep is offline. */
  async warnOfMissing(): Promise<void> {
    const channel = this.#dialer.dial(coordinatorAddress, 'control');
    const { nodes: known } = await channel.unary(ClusterService.method.listNodes, {});
    channel.close();
    const storage = known.filter(({ role }) => role !== NodeRole.GROUP_COORDINATOR).map(({ id }) => id);
    const missing = storage.filter((id) => !this.nodes.some((node) => node.id === id));
    const last = missing.pop();
    if (last === undefined) return;
    const which = missing.length === 0 ? `${last} is` : `${missing.join(', ')} and ${last} are`;
    this.#options.logger.warn(
      `this data belongs to ${storage.length} nodes; ${which} not started (--nodes ${Math.max(last, storage.length)})`,
    );
  }

  /** Undoes what was done, the last first. */
  async stop(): Promise<void> {
    for (let step = this.#undo.pop(); step !== undefined; step = this.#undo.pop()) await step();
  }

  async #decide(): Promise<void> {
    this.#listen(coordinatorAddress, this.coordinator.services());
    this.#undo.push(() => this.coordinator.stop());
    await this.coordinator.start(coordinatorAddress);
  }

  async #node(id: number): Promise<StorageNode> {
    const { directory, version } = this.#options;
    const node = new StorageNode(
      { ...worldOf(this.#options, id), fs: this.#fs, dialer: this.#dialer, bootId: await bootId() },
      {
        nodeId: nodeId(id),
        directory: join(directory ?? '/', `node-${id}`),
        coordinators: [coordinatorAddress],
        rack: '',
        version,
        tailCacheBytes: 16 * MiB,
        appendBudgetBytes: 64 * MiB,
        appendWindowBytes: sessionWindowBytes,
        minFreeBytes: undefined,
        scrubIntervalMs: Number.POSITIVE_INFINITY,
      },
    );
    this.#undo.push(() => node.stop());
    return node;
  }

  async #join(node: StorageNode, id: number, { host, port }: Bound): Promise<void> {
    const address = `${host}:${port}`;
    this.#undo.push(async () => node.drain(drainMs));
    // A coordinator that gives up is told at once: a node would wait for the next one.
    await Promise.race([node.start(address), this.coordinator.failed]);
    this.nodes.push({ id, address });
  }

  #groupNode(coordinator: string): GroupNode {
    const { version } = this.#options;
    const node = new GroupNode(
      { ...this.#world, dialer: this.#dialer },
      { nodeId: nodeId(groupNodeId), coordinators: [coordinator], rack: '', version },
    );
    this.#undo.push(() => node.stop());
    return node;
  }

  /** Consumers for clients that are none, by a client of the cluster that is reached at this address. */
  #subscriptions(address: string): ServedService {
    const client = new Moldau([address], callTimeoutMs, { ...this.#world, dialer: this.#dialer });
    const subscriptions = new Subscriptions(client, this.#world);
    this.#undo.push(async () => {
      subscriptions.drain(drainMs);
      await subscriptions.stop();
      await client.close();
    });
    return subscriptions.service();
  }

  async #joinGroups(node: GroupNode, { host, port }: Bound): Promise<void> {
    this.#undo.push(async () => node.drain(drainMs));
    await Promise.race([node.start(`${host}:${port}`), this.coordinator.failed]);
  }

  async #serve(
    services: readonly ServedService[],
    port: number,
    identity: Pick<ProcessIdentity, 'roles' | 'nodeId'>,
  ): Promise<{ server: GrpcServer; bound: Bound }> {
    const { host, version, onMoved } = this.#options;
    const info = serverInfo(
      { ...identity, version, capabilities: ['batches', 'sessions'] },
      limits,
      () => this.coordinator.clusterId,
    );
    const world = worldOf(this.#options, identity.nodeId);
    const options = { ...world, limits, services: [...services, info], budget: this.#budget, onMoved };
    const server = new GrpcServer(options);
    const bound = await server.listen(host, port);
    this.#undo.push(() => server.drain(drainMs));
    return { server, bound };
  }
}
