import { defaultGroupOptions, type GroupOptions, groupId, shardOf } from '@moldau/groups';
import { type Meter, nodeId, repeat, silentLogger, silentMeter } from '@moldau/kernel';
import type { ShardClaim } from '@moldau/routing';
import type { Channel } from '@moldau/rpc';
import { askForGroups, SimulatedCluster, SimulatedProcess } from '@moldau/testing';
import { GroupCoordinator } from '../../src/group-coordinator.ts';
import type { ShardTable } from '../../src/shard-table.ts';
import type { Member } from './member.ts';

export const shards = 4;

/** A table that a test writes. */
export class HandTable implements ShardTable {
  readonly #entries = new Map<number, ShardClaim>();
  readonly #listeners = new Set<() => void>();
  #epoch = 100n;

  owner(shard: number): ShardClaim | undefined {
    return this.#entries.get(shard);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Gives shards to a node, each under an epoch that is above all before. */
  give(node: number, which: readonly number[] = Array.from({ length: shards }, (_, i) => i)): void {
    this.#epoch += 1n;
    for (const shard of which) this.#entries.set(shard, { node: nodeId(node), epoch: this.#epoch });
    for (const listener of this.#listeners) listener();
  }
}

/** The table as one process sees it: one that stands still sees nothing new, nor does it right after it wakes. */
class SeenTable implements ShardTable {
  readonly #table: HandTable;
  readonly #listeners = new Set<() => void>();
  #old: Map<number, ShardClaim | undefined> | undefined;

  constructor(table: HandTable) {
    this.#table = table;
    table.onChange(() => {
      if (this.#old === undefined) for (const listener of this.#listeners) listener();
    });
  }

  owner(shard: number): ShardClaim | undefined {
    return this.#old === undefined ? this.#table.owner(shard) : this.#old.get(shard);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** It hears of all that happened. */
  thaw(): void {
    this.#old = undefined;
    for (const listener of this.#listeners) listener();
  }

  freeze(): void {
    this.#old = new Map(Array.from({ length: shards }, (_, shard) => [shard, this.#table.owner(shard)]));
  }
}

/** Three storage nodes, the internal topic, and a topic `t`; group coordinators come as a test starts them. */
export async function world(options: Partial<GroupOptions> = {}) {
  const cluster = new SimulatedCluster({ seed: 5, nodes: 3, defaultReplicas: 3 });
  const { time, random, network } = cluster;
  await time.run(cluster.start());
  const controller = network.dialer('first').dial(cluster.coordinator().address, 'control');
  await time.run(askForGroups(controller));
  const client = cluster.client('app');
  const { id: topicId } = await time.run(client.admin.createTopic({ name: 't', partitions: 8, replicas: 3 }));
  const table = new HandTable();
  const members = new Set<Member>();
  // Everybody works and pings, for as long as a stream is open.
  repeat(time, 50, () => {
    for (const member of members) member.work();
  });
  repeat(time, 2_000, () => {
    for (const member of members) member.ping();
  });

  const coordinator = async (node: number, meter: Meter = silentMeter) => {
    const address = `groups-${node}`;
    const process = new SimulatedProcess(time);
    const seen = new SeenTable(table);
    const ports = { clock: time, timers: process.timers, random, logger: silentLogger, meter };
    const service = new GroupCoordinator(
      { ...ports, dialer: network.dialer(address), table: () => seen },
      {
        nodeId: nodeId(node),
        coordinators: cluster.coordinators.map((one) => one.address),
        topic: '__groups',
        shards,
        options: { ...defaultGroupOptions, assignmentIntervalMs: 0, ...options },
      },
    );
    network.listen(address, service.services(), ports);
    await time.run(service.start());
    const pause = (): void => {
      seen.freeze();
      process.pause();
      network.freeze(address);
    };
    const resume = (): void => {
      network.thaw(address);
      process.resume();
    };
    return { service, address, pause, resume, hears: () => seen.thaw() };
  };
  const channelTo = (address: string, from = 'member'): Channel => network.dialer(from).dial(address, 'data');
  const settled = (some: readonly Member[], each: number) =>
    time.runUntil(() => some.every(({ owned, stream }) => owned.size === each && stream?.isOver === false));
  return { cluster, time, client, topicId, table, members, coordinator, channelTo, settled };
}

export const shardOfGroup = (group: string): number => shardOf(groupId(group), shards);
