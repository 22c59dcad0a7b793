import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Moldau } from '@moldau/client';
import { EtcdStore } from '@moldau/etcd';
import { hostTimers } from '@moldau/host';
import { silentLogger } from '@moldau/kernel';
import { EtcdProcess } from '@moldau/testing/etcd/etcd-process';
import { freePorts } from '@moldau/testing/free-ports';
import { TcpProxy } from '@moldau/testing/tcp-proxy';
import { ServiceProcess } from './process.ts';

const attempts = 3;

/** What a cluster has that is not usual. */
export interface ClusterOptions {
  /** Default true. */
  readonly gateway?: boolean;
  /** Storage nodes. Default 3. */
  readonly nodes?: number;
  /** Default none. */
  readonly groupCoordinators?: number;
  /** Of both coordinators. */
  readonly coordinatorFlags?: readonly string[];
  /** Of every storage node. */
  readonly nodeFlags?: readonly string[];
  /** Of every group coordinator. */
  readonly groupFlags?: readonly string[];
  /** Storage nodes run what `npm run build` has made. Default false: they run the source. */
  readonly isBuilt?: boolean;
  /** Every storage node is reached through a {@link TcpProxy} of its own, by clients and by other nodes. Default false. */
  readonly proxied?: boolean;
  /** Called with the data directory of each storage node before that starts for the first time. */
  readonly prepare?: (directory: string, id: number) => Promise<void>;
  /** Called when all its processes have ended, before what they have written is removed. */
  readonly release?: () => Promise<void>;
}

/** The ids of group coordinators come behind this: all nodes share one space. */
const groupIdsAbove = 100;

/** Two coordinators on one etcd, storage nodes, group coordinators and a gateway: all of them processes, on loopback. */
export class Cluster {
  readonly etcd: EtcdProcess;
  readonly coordinators: readonly ServiceProcess[];
  readonly nodes: readonly ServiceProcess[];
  readonly groupCoordinators: readonly ServiceProcess[];
  readonly gateway: ServiceProcess;
  /** Before the nodes, in their order; none unless it was asked for. */
  readonly proxies: readonly TcpProxy[];
  readonly #folder: string;
  readonly #release: () => Promise<void>;

  private constructor(
    etcd: EtcdProcess,
    ports: readonly number[],
    proxies: readonly TcpProxy[],
    options: ClusterOptions,
  ) {
    const { nodes = 3, coordinatorFlags = [], nodeFlags = [], release = () => Promise.resolve() } = options;
    const port = (index: number): number => ports[index] ?? 0;
    const ids = Array.from({ length: nodes }, (_, index) => index + 1);
    const coordinators = [port(0), port(1)].map((one) => `127.0.0.1:${one}`).join();
    this.#folder = mkdtempSync(join(tmpdir(), 'moldau-chaos-'));
    this.#release = release;
    this.etcd = etcd;
    this.proxies = proxies;
    const advertised = (id: number): string[] => {
      const proxy = proxies[id - 1];
      return proxy === undefined ? [] : ['--advertised-address', proxy.address];
    };
    this.coordinators = [0, 1].map(
      (i) =>
        new ServiceProcess(`coordinator-${i + 1}`, 'coordinator', port(i), [
          ...[
            '--instance',
            `coordinator-${i + 1}`,
            '--etcd-endpoints',
            etcd.address,
            '--default-replicas',
            String(nodes),
          ],
          ...coordinatorFlags,
        ]),
    );
    this.gateway = new ServiceProcess('gateway', 'gateway', port(2), ['--coordinators', coordinators]);
    this.nodes = ids.map(
      (id) =>
        new ServiceProcess(
          `node-${id}`,
          'storage-node',
          port(id + 2),
          [
            ...['--node-id', String(id), '--data-dir', this.directoryOf(id), '--coordinators', coordinators],
            ...advertised(id),
            ...nodeFlags,
          ],
          options.isBuilt,
        ),
    );
    this.groupCoordinators = Array.from({ length: options.groupCoordinators ?? 0 }, (_, index) => {
      const id = String(groupIdsAbove + 1 + index);
      const flags = ['--node-id', id, '--coordinators', coordinators, ...(options.groupFlags ?? [])];
      return new ServiceProcess(`group-coordinator-${index + 1}`, 'group-coordinator', port(3 + nodes + index), flags);
    });
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await Cluster.#start(
          await freePorts(3 + (options.nodes ?? 3) + (options.groupCoordinators ?? 0)),
          options,
        );
      } catch (error) {
        if (!String(error).includes('is in use') || attempt === attempts) throw error;
      }
    }
  }

  static async #start(ports: readonly number[], options: ClusterOptions): Promise<Cluster> {
    const proxied = options.proxied === true ? ports.slice(3, 3 + (options.nodes ?? 3)) : [];
    const proxies = await Promise.all(proxied.map((port) => TcpProxy.start(port)));
    const cluster = new Cluster(await EtcdProcess.start(), ports, proxies, options);
    try {
      await Promise.all(cluster.coordinators.map((one) => one.start()));
      await Promise.all(cluster.nodes.map(async (_, i) => options.prepare?.(cluster.directoryOf(i + 1), i + 1)));
      await Promise.all([...cluster.nodes, ...cluster.groupCoordinators].map((one) => one.start()));
      if (options.gateway !== false) await cluster.gateway.start();
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** A client that knows the gateway alone. */
  client(): Promise<Moldau> {
    return connect({ endpoints: this.gateway.address, timeout: '60s' });
  }

  /** A client that knows the storage nodes alone, and reaches each of them directly. */
  clientOfNodes(): Promise<Moldau> {
    const reached = this.proxies.length > 0 ? this.proxies : this.nodes;
    return connect({ endpoints: reached.map(({ address }) => address), timeout: '60s' });
  }

  /** The storage node of that number, from 1 on. */
  node(id: number): ServiceProcess {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  /** Where the storage node of that number keeps its data. */
  directoryOf(id: number): string {
    return join(this.#folder, `node-${id}`);
  }

  /** The coordinator that decides now, and the other one. */
  async offices(client: Moldau): Promise<{ active: ServiceProcess; standby: ServiceProcess }> {
    const { coordinator } = await client.admin.describeCluster();
    const [first, second] = this.coordinators;
    if (first === undefined || second === undefined) throw new Error('there are two coordinators');
    return coordinator === first.name ? { active: first, standby: second } : { active: second, standby: first };
  }

  /** How often the store was written to, ever. */
  async revision(): Promise<bigint> {
    const store = new EtcdStore({ hosts: [this.etcd.address] }, { timers: hostTimers, logger: silentLogger });
    try {
      return (await store.status()).revision;
    } finally {
      await store.close();
    }
  }

  /** Ends everything, and removes what it has written. */
  async close(): Promise<void> {
    const { gateway, groupCoordinators, nodes, coordinators } = this;
    await Promise.all([gateway, ...groupCoordinators, ...nodes, ...coordinators].map((one) => one.kill()));
    await this.etcd.close();
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
    await this.#release();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
