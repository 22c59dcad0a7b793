import { hasReason, MoldauError, randomName } from '@moldau/kernel';
import {
  ClusterService,
  type ConfigValue,
  type DescribeClusterResponse,
  type DescribeTopicResponse,
  type TopicSummary,
  type UpdateTopicResponse,
} from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import type { Node, Topic } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { type GetServerInfoResponse, ServerInfoService } from '@moldau/proto/moldau/server/v1/server_info_pb';
import { retrying } from '@moldau/routing';
import { type Channel, fromWireError } from '@moldau/rpc';
import type { ClientPorts } from './client-ports.ts';
import { GroupAdmin, type GroupPlace, type SeekOptions, type SoughtPosition } from './group/group-admin.ts';
import type { GroupInfo, GroupPosition, GroupSummary } from './group/group-info.ts';
import { checkPlace, type Place, positionOf } from './place.ts';
import { type Duration, toMs } from './quantities.ts';

/** A topic to be created. */
export interface NewTopic {
  readonly name: string;
  /** Default: the cluster's. */
  readonly partitions?: number;
  /** Default: the cluster's. */
  readonly replicas?: number;
  /** Settings that differ from the cluster's, as text: `{ retention: '7d' }`. */
  readonly config?: Readonly<Record<string, string>>;
}

/** Whether to change something, or only to check. */
export interface Dry {
  readonly dryRun?: boolean;
}

/** A position, found. */
export interface FoundOffset {
  readonly partition: number;
  /** `undefined`: a timestamp behind every record. */
  readonly offset: bigint | undefined;
  /** Milliseconds since 1970, where a timestamp was asked for. */
  readonly timestampMs: number | undefined;
  readonly leaderEpoch: number;
  /** Bytes that the partition holds on its leader. */
  readonly sizeBytes: number;
}

const pageSize = 1_000;

/** Looks at the cluster and changes it. Every change carries a request id, so a repeated attempt does not do it twice. */
export class Admin {
  readonly #ports: ClientPorts;
  readonly #groups: GroupAdmin;

  constructor(ports: ClientPorts) {
    this.#ports = ports;
    this.#groups = new GroupAdmin(ports);
  }

  /** Creates a topic. Throws TOPIC_EXISTS unless `ifNotExists`. */
  async createTopic(
    topic: NewTopic,
    { dryRun = false, ifNotExists = false }: Dry & { ifNotExists?: boolean } = {},
  ): Promise<Topic> {
    const request = {
      name: topic.name,
      partitions: topic.partitions ?? 0,
      replicas: topic.replicas ?? 0,
      config: entriesOf(topic.config),
      requestId: randomName(this.#ports.random),
      validateOnly: dryRun,
    };
    try {
      const answer = await this.#call((channel, timeoutMs) =>
        channel.unary(ClusterService.method.createTopic, request, { timeoutMs }),
      );
      return required(answer.topic);
    } catch (error) {
      if (!ifNotExists || !hasReason(error, 'TOPIC_EXISTS')) throw error;
      return required((await this.describeTopic(topic.name)).topic);
    }
  }

  /** Deletes a topic and its data. Throws UNKNOWN_TOPIC. */
  async deleteTopic(name: string, { dryRun = false }: Dry = {}): Promise<void> {
    const request = { name, requestId: randomName(this.#ports.random), validateOnly: dryRun };
    await this.#call((channel, timeoutMs) => channel.unary(ClusterService.method.deleteTopic, request, { timeoutMs }));
  }

  /** A topic with its partitions, and each setting with its source. Throws UNKNOWN_TOPIC. */
  describeTopic(name: string): Promise<DescribeTopicResponse> {
    return this.#call((channel, timeoutMs) =>
      channel.unary(ClusterService.method.describeTopic, { name }, { timeoutMs }),
    );
  }

  /** All topics, by name. */
  async listTopics({ includeInternal = false } = {}): Promise<TopicSummary[]> {
    const topics: TopicSummary[] = [];
    for (let pageToken = ''; ; ) {
      const request = { pageSize, pageToken, includeInternal };
      const page = await this.#call((channel, timeoutMs) =>
        channel.unary(ClusterService.method.listTopics, request, { timeoutMs }),
      );
      topics.push(...page.topics);
      pageToken = page.nextPageToken;
      if (pageToken === '') return topics;
    }
  }

  /** Changes settings, or adds partitions. Throws UNKNOWN_TOPIC, INVALID_CONFIG, INVALID_REQUEST. */
  updateTopic(
    name: string,
    change: { set?: Readonly<Record<string, string>>; unset?: readonly string[]; partitions?: number },
    { dryRun = false }: Dry = {},
  ): Promise<UpdateTopicResponse> {
    const request = {
      name,
      set: entriesOf(change.set),
      unset: [...(change.unset ?? [])],
      partitions: change.partitions ?? 0,
      requestId: randomName(this.#ports.random),
      validateOnly: dryRun,
    };
    return this.#call((channel, timeoutMs) => channel.unary(ClusterService.method.updateTopic, request, { timeoutMs }));
  }

  /** Finds positions of a topic's partitions, in the order in which they are given. Default: all of them. */
  async listOffsets(topic: string, place: Place, partitions?: readonly number[]): Promise<FoundOffset[]> {
    checkPlace('place', place);
    return retrying(this.#ports, this.#ports.timeoutMs, async (timeoutMs) => {
      const known = await this.#ports.metadata.refresh(topic, { autoCreate: false, timeoutMs });
      const asked = partitions ?? known.partitions.map(({ index }) => index);
      const found = new Map<number, FoundOffset>();
      for (const [address, group] of this.#byLeader(topic, asked)) {
        for (let at = 0; at < group.length; at += pageSize) {
          const page = group.slice(at, at + pageSize);
          for (const one of await this.#findOffsets(address, known, page, place, timeoutMs))
            found.set(one.partition, one);
        }
      }
      return asked.map((partition) => required(found.get(partition)));
    });
  }

  /** Removes what lies below an offset; returns the first offset that is left. Throws OFFSET_OUT_OF_RANGE. */
  async trimPartition(
    topic: string,
    partition: number,
    beforeOffset: bigint,
    { dryRun = false }: Dry = {},
  ): Promise<bigint> {
    return retrying(this.#ports, this.#ports.timeoutMs, async (timeoutMs) => {
      const { id: topicId } = await this.#ports.metadata.refresh(topic, { autoCreate: false, timeoutMs });
      const request = { topic, topicId, partition, beforeOffset, validateOnly: dryRun };
      const channel = this.#ports.connections.to(this.#leaderAddress(topic, partition), 'control');
      const { logStart } = await channel.unary(LogService.method.trimPartition, request, { timeoutMs });
      return logStart;
    });
  }

  /** All consumer groups, by their ids. */
  listGroups(): Promise<GroupSummary[]> {
    return this.#groups.list();
  }

  /** A group with its members, and where it stands. Throws UNKNOWN_GROUP. */
  describeGroup(group: string): Promise<GroupInfo> {
    return this.#groups.describe(group);
  }

  /** Where a group stands, and how far it is behind, on all that is committed or assigned. Throws UNKNOWN_GROUP. */
  async groupLag(group: string): Promise<readonly GroupPosition[]> {
    return (await this.#groups.describe(group)).positions;
  }

  /** Deletes a group without members, and its offsets. Throws UNKNOWN_GROUP, GROUP_NOT_EMPTY. */
  deleteGroup(group: string, { dryRun = false }: Dry = {}): Promise<void> {
    return this.#groups.delete(group, dryRun);
  }

  /**
   * Moves what a group has committed; says where it goes on. Throws GROUP_NOT_EMPTY while it has members, unless `force`,
   * UNKNOWN_TOPIC, UNKNOWN_PARTITION, OFFSET_OUT_OF_RANGE.
   */
  seekGroup(group: string, to: GroupPlace, options: SeekOptions = {}): Promise<SoughtPosition[]> {
    return this.#groups.seek(group, to, options);
  }

  describeCluster(): Promise<DescribeClusterResponse> {
    return this.#call((channel, timeoutMs) => channel.unary(ClusterService.method.describeCluster, {}, { timeoutMs }));
  }

  /** All nodes, by id. */
  async listNodes(): Promise<Node[]> {
    const nodes: Node[] = [];
    for (let pageToken = ''; ; ) {
      const request = { pageSize, pageToken };
      const page = await this.#call((channel, timeoutMs) =>
        channel.unary(ClusterService.method.listNodes, request, { timeoutMs }),
      );
      nodes.push(...page.nodes);
      pageToken = page.nextPageToken;
      if (pageToken === '') return nodes;
    }
  }

  /** What the process behind the current endpoint says of itself. `timeout`: default that of the client. */
  serverInfo({ timeout }: { readonly timeout?: Duration } = {}): Promise<GetServerInfoResponse> {
    const limitMs = timeout === undefined ? this.#ports.timeoutMs : toMs(timeout);
    return this.#call(
      (channel, timeoutMs) => channel.unary(ServerInfoService.method.getServerInfo, {}, { timeoutMs }),
      limitMs,
    );
  }

  #call<T>(call: (channel: Channel, timeoutMs: number) => Promise<T>, limitMs = this.#ports.timeoutMs): Promise<T> {
    return this.#ports.bootstrap.call(limitMs, call);
  }

  async #findOffsets(
    address: string,
    { name: topic, id: topicId }: Topic,
    partitions: readonly number[],
    place: Place,
    timeoutMs: number,
  ): Promise<FoundOffset[]> {
    const channel = this.#ports.connections.to(address, 'control');
    const queries = partitions.map((partition) => ({ partition, position: positionOf(place) }));
    const { answers } = await channel.unary(LogService.method.listOffsets, { topic, topicId, queries }, { timeoutMs });
    return answers.map(({ partition, offset, timestampMs, leaderEpoch, sizeBytes, error }) => {
      if (error !== undefined) throw fromWireError(error);
      const time = timestampMs === undefined ? undefined : Number(timestampMs);
      return { partition, offset, timestampMs: time, leaderEpoch, sizeBytes: Number(sizeBytes) };
    });
  }

  #byLeader(topic: string, partitions: readonly number[]): Map<string, number[]> {
    const groups = new Map<string, number[]>();
    for (const partition of partitions) {
      const address = this.#leaderAddress(topic, partition);
      groups.set(address, [...(groups.get(address) ?? []), partition]);
    }
    return groups;
  }

  #leaderAddress(topic: string, partition: number): string {
    const { metadata } = this.#ports;
    const count = metadata.known(topic)?.partitions.length ?? 0;
    if (!(partition >= 0 && partition < count)) {
      throw new MoldauError(
        'UNKNOWN_PARTITION',
        `topic ${JSON.stringify(topic)} has no partition ${partition}: it has ${count}, counted from 0`,
        { topic, partition, partitions: count },
      );
    }
    const leader = metadata.leader(topic, partition);
    if (leader === undefined)
      throw new MoldauError(
        'NOT_LEADER',
        `${topic}/${partition} has no leader now: retry, or look at \`moldau cluster health\``,
      );
    return leader.address;
  }
}

export type { ConfigValue };

const entriesOf = (config: Readonly<Record<string, string>> = {}): { key: string; value: string }[] =>
  Object.entries(config).map(([key, value]) => ({ key, value }));

function required<T>(answer: T | undefined): T {
  if (answer === undefined) throw new MoldauError('INTERNAL', 'the server left out a part of its answer');
  return answer;
}
