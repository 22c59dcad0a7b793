import { silentLogger } from '@moldau/kernel';
import { ClusterView, Connections } from '@moldau/routing';
import {
  askForGroups,
  SimulatedCluster,
  type SimulatedClusterOptions,
  type SimulatedNode,
  SimulatedProcess,
} from '@moldau/testing';
import { PartitionShardLog, type ShardLimits, ShardOwner } from '../../src/index.ts';
import { type Request, registers, told } from './registers.ts';

/** A process that may own the shard: it can stand still, and it can die. */
export class OwnerProcess {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly view: ClusterView;
  readonly connections: Connections;
  readonly frames: string[] = [];
  readonly states: Map<string, number>[] = [];
  readonly lost: string[] = [];
  readonly #cluster: SimulatedCluster;

  constructor(name: string, cluster: SimulatedCluster) {
    this.name = name;
    this.#cluster = cluster;
    this.process = new SimulatedProcess(cluster.time);
    this.connections = new Connections(cluster.network.dialer(name));
    const ports = { ...this.#world, connections: this.connections };
    this.view = new ClusterView(
      cluster.coordinators.map(({ address }) => address),
      ports,
    );
    this.view.start();
  }

  get #world() {
    const { time, random } = this.#cluster;
    return { clock: time, timers: this.process.timers, random, logger: silentLogger };
  }

  log(epoch: bigint): PartitionShardLog {
    const { view, connections } = this;
    const target = { topic: groupsTopic, partition: 0, fencingToken: epoch };
    return new PartitionShardLog(target, { ...this.#world, view, connections });
  }

  own(
    epoch: bigint,
    options: { limits?: ShardLimits; tickEveryMs?: number } = {},
  ): ShardOwner<Request, number, string> {
    const ports = {
      ...this.#world,
      log: this.log(epoch),
      frame: (frame: string) => void this.frames.push(frame),
      lost: ({ reason }: { reason: string }) => void this.lost.push(reason),
    };
    const kind = registers(this.states, options.tickEveryMs);
    const owner = new ShardOwner(`shards/0 of ${this.name}`, kind, ports, options.limits);
    owner.start();
    return owner;
  }

  pause(): void {
    this.process.pause();
    this.#cluster.network.freeze(this.name);
  }

  resume(): void {
    this.#cluster.network.thaw(this.name);
    this.process.resume();
  }

  async stop(): Promise<void> {
    await this.#cluster.time.run(this.view.stop());
    this.connections.close();
  }
}

export const groupsTopic = '__groups';

/** Three nodes, the topic of the shards with a copy on each, and a process that may own one. */
export async function world(options: Partial<SimulatedClusterOptions> = {}) {
  const cluster = new SimulatedCluster({ seed: 7, nodes: 3, defaultReplicas: 3, ...options });
  const { time } = cluster;
  await time.run(cluster.start());
  await time.run(askForGroups(cluster.network.dialer('groups').dial(cluster.coordinator().address, 'control')));
  const find = ({ service }: SimulatedNode) =>
    [...service.partitions].find(({ topic, log }) => topic === groupsTopic && log.identity.partition === 0);
  const partitionOn = (node: SimulatedNode) => {
    const found = find(node);
    if (found === undefined) throw new Error('the partition is not there');
    return found;
  };
  const leader = () => {
    const running = cluster.nodes.filter(({ isRunning, isPaused }) => isRunning && !isPaused);
    const found = running.find((node) => find(node)?.role.kind === 'leader');
    if (found === undefined) throw new Error('nobody leads');
    return found;
  };
  await time.runUntil(() => cluster.nodes.some((node) => find(node)?.role.kind === 'leader'));
  return { cluster, time, leader, partitionOn, ownerOn: (name: string) => new OwnerProcess(name, cluster) };
}

export type Owner = ShardOwner<Request, number, string>;

/** Submits, and notes what it leads to. */
export function ask(
  owner: Owner,
  request: Request,
  notes: (string | number)[] = [],
  isFresh = false,
): (string | number)[] {
  owner.submit(request, (error, reply) => notes.push(told(error, reply)), { isFresh });
  return notes;
}

export const add = (key: string, by = 1): Request => ({ kind: 'add', key, by });
export const get = (key: string): Request => ({ kind: 'get', key });
