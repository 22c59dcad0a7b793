import { type NodeId, nodeId, type PartitionIndex, partitionIndex, type TopicId, topicId } from '@moldau/kernel';

/** Names the cluster of a store that holds one; outside of every cluster's prefix. */
export const clusterIdKey = '/moldau/cluster-id';

/** The keys of one cluster. Grammar: `/moldau/<cluster id>/<kind>[/<id>[/<partition>]]`. */
export class Keys {
  readonly prefix: string;
  readonly election: string;
  readonly suspects: string;
  readonly restored: string;
  readonly clusterConfig: string;
  readonly producerIds: string;
  readonly partitions: string;

  constructor(clusterId: string) {
    this.prefix = `/moldau/${clusterId}/`;
    this.election = `${this.prefix}election/coordinator`;
    this.suspects = `${this.prefix}election/suspects`;
    this.restored = `${this.prefix}restored`;
    this.clusterConfig = `${this.prefix}configs/cluster`;
    this.producerIds = `${this.prefix}producer-ids`;
    this.partitions = `${this.prefix}partitions/`;
  }

  node(id: NodeId): string {
    return `${this.prefix}nodes/${id}`;
  }
  nodeState(id: NodeId): string {
    return `${this.prefix}node-state/${id}`;
  }
  topic(id: TopicId): string {
    return `${this.prefix}topics/${id}`;
  }
  topicName(name: string): string {
    return `${this.prefix}topic-names/${name}`;
  }
  partition(topic: TopicId, index: PartitionIndex): string {
    return `${this.partitions}${topic}/${index}`;
  }
  partitionsOf(topic: TopicId): string {
    return `${this.partitions}${topic}/`;
  }
  groupShard(index: number): string {
    return `${this.prefix}group-shards/${index}`;
  }
  tombstone(id: TopicId): string {
    return `${this.prefix}tombstones/${id}`;
  }
}

/** What a key of the cluster is about. `other`: nothing that the image keeps. */
export type ParsedKey =
  | { readonly kind: 'node' | 'node-state'; readonly node: NodeId }
  | { readonly kind: 'topic' | 'tombstone'; readonly topic: TopicId }
  | { readonly kind: 'partition'; readonly topic: TopicId; readonly partition: PartitionIndex }
  | { readonly kind: 'group-shard'; readonly shard: number }
  | { readonly kind: 'cluster-config' | 'producer-ids' | 'election' | 'suspects' }
  | { readonly kind: 'other' };

/** Reads a key of {@link Keys} without its prefix. */
export function parseKey(relative: string): ParsedKey {
  const [kind, id, partition] = relative.split('/');
  if (relative === 'producer-ids') return { kind: 'producer-ids' };
  if (relative === 'election/coordinator') return { kind: 'election' };
  if (relative === 'election/suspects') return { kind: 'suspects' };
  if (kind === undefined || id === undefined) return { kind: 'other' };
  switch (kind) {
    case 'nodes':
      return { kind: 'node', node: nodeId(Number(id)) };
    case 'node-state':
      return { kind: 'node-state', node: nodeId(Number(id)) };
    case 'topics':
      return { kind: 'topic', topic: topicId(id) };
    case 'tombstones':
      return { kind: 'tombstone', topic: topicId(id) };
    case 'partitions':
      return { kind: 'partition', topic: topicId(id), partition: partitionIndex(Number(partition)) };
    case 'group-shards':
      return { kind: 'group-shard', shard: Number(id) };
    case 'configs':
      return { kind: id === 'cluster' ? 'cluster-config' : 'other' };
    default:
      return { kind: 'other' };
  }
}
