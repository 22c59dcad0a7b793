import { join } from 'node:path';
import { Coordinator } from '@moldau/coordinator';
import { EmbeddedStore, inMemory } from '@moldau/embedded-store';
import { bootId, HostFileSystem, hostClock, hostRandom, hostTimers, MemoryFileSystem } from '@moldau/host';
import { type Logger, type Meter, nodeId } from '@moldau/kernel';
import { batchBytesMax, drainMs, serverInfo } from '@moldau/process/server-info';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { GrpcServer, limitsFor, MemoryNetwork } from '@moldau/rpc';
import { StorageNode } from '@moldau/storage-node';

/** How a cluster of one process is made. */
export interface DevClusterOptions {
  /** Where everything is kept. `undefined`: in memory, until the process ends. */
  readonly directory: string | undefined;
  /** At most so much in memory, without a directory. */
  readonly memoryBytes: number;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly version: string;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** A running cluster of one process. */
export interface DevCluster {
  readonly host: string;
  readonly port: number;
  readonly clusterId: string;
  /** Lets clients finish for a moment, syncs, and closes. */
  stop(): Promise<void>;
}

const MiB = 1024 * 1024;
const coordinatorAddress = 'coordinator';

/** Starts a coordinator over the embedded store and one storage node, behind one gRPC server. Throws a StartError. */
export async function startDevCluster(options: DevClusterOptions): Promise<DevCluster> {
  const { directory, logger, meter, version } = options;
  const world = { clock: hostClock, timers: hostTimers, random: hostRandom, logger, meter };
  const fs = directory === undefined ? new MemoryFileSystem(options.memoryBytes) : new HostFileSystem();
  if (directory !== undefined) await fs.makeDirectory(directory);
  const store = EmbeddedStore.open(directory === undefined ? inMemory : join(directory, 'metadata.sqlite'), world);
  const undo: (() => Promise<void>)[] = [async () => store.close()];
  try {
    const limits = limitsFor(batchBytesMax);
    const inside = new MemoryNetwork({ limits, timers: world.timers });
    const coordinator = new Coordinator(
      { ...world, store, dialer: inside.dialer(coordinatorAddress) },
      { autoCreate: true, advertise: 'authority' },
    );
    const listening = inside.listen(coordinatorAddress, coordinator.services(), world);
    undo.push(
      async () => listening.close(),
      () => coordinator.stop(),
    );
    await coordinator.start(coordinatorAddress);
    const node = new StorageNode(
      { ...world, fs, dialer: inside.dialer('node-1'), bootId: await bootId() },
      {
        nodeId: nodeId(1),
        directory: join(directory ?? '/', 'node-1'),
        coordinators: [coordinatorAddress],
        rack: '',
        version,
        tailCacheBytes: 16 * MiB,
        appendBudgetBytes: 64 * MiB,
        appendWindowBytes: 4 * MiB,
        minFreeBytes: undefined,
      },
    );
    undo.push(() => node.stop());
    const identity = {
      version,
      roles: ['coordinator', 'storage-node'],
      nodeId: 1,
      capabilities: ['batches', 'sessions'],
    };
    // One port, one of each: the coordinator answers for the cluster itself.
    const cluster = coordinator.services().filter(({ service }) => service === ClusterService);
    const log = node.services().filter(({ service }) => service !== ClusterService);
    const server = new GrpcServer({
      ...world,
      limits,
      services: [...cluster, ...log, serverInfo(identity, limits, () => coordinator.clusterId)],
    });
    const bound = await server.listen(options.host, options.port);
    undo.push(
      () => server.drain(drainMs),
      async () => node.drain(drainMs),
    );
    await node.start(`${bound.host}:${bound.port}`);
    server.setServing(true);
    return { ...bound, clusterId: coordinator.clusterId, stop: () => unwind(undo) };
  } catch (error) {
    await unwind(undo);
    throw error;
  }
}

/** Undoes what was done, the last first. */
async function unwind(undo: (() => Promise<void>)[]): Promise<void> {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
}
