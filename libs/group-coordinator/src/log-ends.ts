import type { MessageInitShape } from '@bufbuild/protobuf';
import { partitionOf } from '@moldau/groups';
import { faults, type Millis, MoldauError, type PartitionKey } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import type { PositionSchema } from '@moldau/proto/moldau/log/v1/record_pb';
import type { ClusterView, Connections } from '@moldau/routing';
import { fromWireError } from '@moldau/rpc';

/** A place in a partition. */
export type Place = MessageInitShape<typeof PositionSchema>;

export const earliest: Place = { at: { case: 'earliest', value: {} } };
export const latest: Place = { at: { case: 'latest', value: {} } };

/** One place to look up. */
export interface Lookup {
  readonly partition: PartitionKey;
  readonly place: Place;
}

/** What a leader says: the offset, absent for a time behind every record; or why it is not known. */
export type Found = { readonly offset: bigint | undefined } | { readonly error: MoldauError };

/** Asks the leaders of partitions where things are. */
export interface LogEnds {
  /** In the order of the lookups. One that fails fails alone. */
  find(lookups: readonly Lookup[]): Promise<readonly Found[]>;
  /** The time of the first record at this offset or behind it. `undefined`: there is none, or its leader could not be asked. */
  timestampAt(partition: PartitionKey, offset: bigint): Promise<Millis | undefined>;
}

/** Leaders answer from memory. */
const timeoutMs: Millis = 2_000;
const queriesMax = 1_000;

/** The leaders that the view of the cluster names, each asked once. */
export class LeaderEnds implements LogEnds {
  readonly #view: ClusterView;
  readonly #connections: Connections;

  constructor(view: ClusterView, connections: Connections) {
    this.#view = view;
    this.#connections = connections;
  }

  async find(lookups: readonly Lookup[]): Promise<readonly Found[]> {
    const found: Found[] = lookups.map(() => ({ error: faults.notServing('the leader', 'not known') }));
    const calls = new Map<string, { readonly address: string; readonly topic: string; readonly at: number[] }>();
    for (const [i, { partition: key }] of lookups.entries()) {
      try {
        const { topic: id, partition } = partitionOf(key);
        const topic = this.#view.topic(id);
        if (topic === undefined) throw faults.unknownTopic(id);
        if (partition >= topic.partitions.length)
          throw faults.unknownPartition(topic.name, partition, topic.partitions.length);
        const leader = this.#view.leader(topic, partition);
        if (leader === undefined) throw faults.notLeader(key, undefined, undefined);
        const name = `${leader.address} ${id}`;
        const call = calls.get(name) ?? { address: leader.address, topic: id, at: [] };
        call.at.push(i);
        calls.set(name, call);
      } catch (error) {
        if (!(error instanceof MoldauError)) throw error;
        found[i] = { error };
      }
    }
    await Promise.all(
      [...calls.values()].flatMap(({ address, topic, at }) =>
        chunksOf(at, queriesMax).map((some) => this.#ask(address, topic, some, lookups, found)),
      ),
    );
    return found;
  }

  async timestampAt(key: PartitionKey, offset: bigint): Promise<Millis | undefined> {
    const { topic: id, partition } = partitionOf(key);
    const topic = this.#view.topic(id);
    const leader = topic === undefined ? undefined : this.#view.leader(topic, partition);
    if (topic === undefined || leader === undefined) return undefined;
    const request = {
      topic: topic.name,
      topicId: id,
      partition,
      limit: 1n,
      from: { at: { case: 'offset', value: offset } },
    } as const;
    try {
      const channel = this.#connections.to(leader.address, 'data');
      for await (const { records } of channel.serverStream(LogService.method.read, request, { timeoutMs })) {
        const [first] = records;
        if (first !== undefined) return Number(first.timestampMs);
      }
    } catch (error) {
      // It may have gone meanwhile, too.
      if (!(error instanceof MoldauError)) throw error;
    }
    return undefined;
  }

  async #ask(
    address: string,
    topic: string,
    at: readonly number[],
    lookups: readonly Lookup[],
    found: Found[],
  ): Promise<void> {
    const queries = at.flatMap((i) => {
      const lookup = lookups[i];
      return lookup === undefined
        ? []
        : [{ partition: partitionOf(lookup.partition).partition, position: lookup.place }];
    });
    const request = { topicId: topic, queries };
    try {
      const channel = this.#connections.to(address, 'control');
      const { answers } = await channel.unary(LogService.method.listOffsets, request, { timeoutMs });
      for (const [n, i] of at.entries()) {
        const answer = answers[n];
        if (answer === undefined) continue;
        found[i] = answer.error === undefined ? { offset: answer.offset } : { error: fromWireError(answer.error) };
      }
    } catch (error) {
      if (!(error instanceof MoldauError)) throw error;
      for (const i of at) found[i] = { error };
    }
  }
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
}
