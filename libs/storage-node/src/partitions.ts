import {
  faults,
  leaderEpoch,
  type MoldauError,
  type NodeId,
  nodeId,
  type PartitionKey,
  partitionIndex,
  partitionKey,
  type TopicId,
  topicId,
} from '@moldau/kernel';
import type { Topic } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import type { ClusterView } from '@moldau/routing';
import type { Partition } from './partition.ts';

/** What this node knows of the whole cluster. */
export type Cluster = Pick<ClusterView, 'isKnown' | 'topic' | 'topicByName' | 'wasRemoved'>;

/** The state of a partition that this node is to lead, and has not opened yet. */
export const aboutToBeOpened = 'about to be opened';

/** A topic as a unary call names it: by its id where there is one. */
export interface Named {
  readonly topic: string;
  readonly topicId?: string | undefined;
}

/**
 * The partitions of this node. Which topics exist is for the cluster to say: what it has and this node has not is led
 * elsewhere, or about to come or to go, and a client may look again.
 */
export class Partitions {
  readonly #me: NodeId;
  readonly #cluster: Cluster;
  readonly #byKey = new Map<PartitionKey, Partition>();
  readonly #byTopic = new Map<TopicId, Set<Partition>>();

  constructor(me: NodeId, cluster: Cluster) {
    this.#me = me;
    this.#cluster = cluster;
  }

  add(partition: Partition): void {
    const { key, identity } = partition.log;
    const siblings = this.#byTopic.get(identity.topicId) ?? new Set();
    this.#byKey.set(key, partition);
    this.#byTopic.set(identity.topicId, siblings.add(partition));
  }

  remove(partition: Partition): void {
    const { key, identity } = partition.log;
    const siblings = this.#byTopic.get(identity.topicId);
    this.#byKey.delete(key);
    siblings?.delete(partition);
    if (siblings?.size === 0) this.#byTopic.delete(identity.topicId);
  }

  get(key: PartitionKey): Partition | undefined {
    return this.#byKey.get(key);
  }

  all(): Iterable<Partition> {
    return this.#byKey.values();
  }

  /** Every partition of one topic that is here. */
  ofTopic(topic: TopicId): Partition[] {
    return [...(this.#byTopic.get(topic) ?? [])];
  }

  /** Whether the cluster is known to have such a partition. */
  isKnown({ topic, topicId: id }: Named, index: number): boolean {
    const known = id === undefined ? this.#cluster.topicByName(topic) : this.#cluster.topic(id);
    return index < (known?.partitions.length ?? 0);
  }

  /** How many partitions a topic has. Throws UNKNOWN_TOPIC, or NOT_SERVING while that can't be said. */
  count({ topic, topicId: id }: Named): number {
    const known = id === undefined ? this.#named(topic) : this.#cluster.topic(id);
    if (known === undefined) throw faults.unknownTopic(id ?? topic);
    return known.partitions.length;
  }

  /** The partitions of a topic that this node leads. Throws as `count`. */
  ledOf({ topic, topicId: id }: Named): Partition[] {
    return this.ofTopic(topicId(id ?? this.#named(topic).id)).filter(({ role }) => role.kind === 'leader');
  }

  /** As unary calls name them: by the id where there is one, else by the name. Throws as those do. */
  find({ topic, topicId: id }: Named, index: number): Partition {
    return id === undefined ? this.byName(topic, index) : this.byId(id, index);
  }

  /** By name, which may come to mean another topic. Throws as `count`; UNKNOWN_PARTITION; or NOT_LEADER or NOT_SERVING: it is not here. */
  byName(name: string, index: number): Partition {
    const topic = this.#named(name);
    const found = this.#byKey.get(partitionKey(topicId(topic.id), partitionIndex(index)));
    if (found !== undefined) return found;
    if (index >= topic.partitions.length) throw faults.unknownPartition(name, index, topic.partitions.length);
    throw this.#absence(topic, index);
  }

  /** By id, as sessions name them. Throws UNKNOWN_TOPIC when the topic is known to be gone, else NOT_LEADER or NOT_SERVING. */
  byId(id: string, index: number): Partition {
    const found = this.#byKey.get(partitionKey(topicId(id), partitionIndex(index)));
    if (found !== undefined) return found;
    const topic = this.#cluster.topic(id);
    if (topic !== undefined) throw this.#absence(topic, index);
    if (this.#cluster.wasRemoved(id)) throw faults.unknownTopic(id);
    // Its id comes from metadata: someone has heard of the topic before this node.
    throw faults.notLeader(`${id}/${index}`, undefined, undefined);
  }

  #named(name: string): Topic {
    const topic = this.#cluster.topicByName(name);
    if (topic !== undefined) return topic;
    if (!this.#cluster.isKnown) throw faults.notServing(`node ${this.#me}`, 'still asking for metadata');
    for (const [one] of this.#byTopic.values()) {
      if (one?.topic === name) throw faults.notServing(`topic ${JSON.stringify(name)}`, 'about to come or to go');
    }
    throw faults.unknownTopic(name);
  }

  /** Why a partition that the cluster has is not here. */
  #absence(topic: Topic, index: number): MoldauError {
    const { leader, leaderEpoch: epoch } = topic.partitions[index] ?? {};
    const name = `${topic.name}/${index}`;
    if (leader === this.#me) return faults.notServing(`${name} on node ${leader}`, aboutToBeOpened);
    const other = leader === undefined ? undefined : nodeId(leader);
    return faults.notLeader(name, other, epoch === undefined ? undefined : leaderEpoch(epoch));
  }
}
