import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Moldau } from '@moldau/client';
import { EtcdStore } from '@moldau/etcd';
import { hostTimers } from '@moldau/host';
import { silentLogger } from '@moldau/kernel';
import { EtcdProcess } from '@moldau/testing/etcd/etcd-process';
import { freePorts } from '@moldau/testing/free-ports';
import { ServiceProcess } from './process.ts';

const attempts = 3;

/** Two coordinators on one etcd, three storage nodes and a gateway: all of them processes, on loopback. */
export class Cluster {
  readonly etcd: EtcdProcess;
  readonly coordinators: readonly ServiceProcess[];
  readonly nodes: readonly ServiceProcess[];
  readonly gateway: ServiceProcess;
  readonly #folder: string;

  private constructor(etcd: EtcdProcess, ports: readonly number[]) {
    const port = (index: number): number => ports[index] ?? 0;
    const coordinators = [port(0), port(1)].map((one) => `127.0.0.1:${one}`).join();
    this.#folder = mkdtempSync(join(tmpdir(), 'moldau-chaos-'));
    this.etcd = etcd;
    this.coordinators = [0, 1].map(
      (i) =>
        new ServiceProcess(`coordinator-${i + 1}`, 'coordinator', port(i), [
          ...['--instance', `coordinator-${i + 1}`, '--etcd-endpoints', etcd.address],
        ]),
    );
    this.nodes = [1, 2, 3].map(
      (id) =>
        new ServiceProcess(`node-${id}`, 'storage-node', port(id + 1), [
          ...['--node-id', String(id), '--data-dir', join(this.#folder, `node-${id}`), '--coordinators', coordinators],
        ]),
    );
    this.gateway = new ServiceProcess('gateway', 'gateway', port(5), ['--coordinators', coordinators]);
  }

  static async start(): Promise<Cluster> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await Cluster.#start(await freePorts(6));
      } catch (error) {
        if (!String(error).includes('is in use') || attempt === attempts) throw error;
      }
    }
  }

  static async #start(ports: readonly number[]): Promise<Cluster> {
    const cluster = new Cluster(await EtcdProcess.start(), ports);
    try {
      await Promise.all(cluster.coordinators.map((one) => one.start()));
      await Promise.all(cluster.nodes.map((one) => one.start()));
      await cluster.gateway.start();
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
    await Promise.all([this.gateway, ...this.nodes, ...this.coordinators].map((one) => one.kill()));
    await this.etcd.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
