import type { NodeEpoch, NodeId, PartitionIndex, PartitionKey, Revision, TopicId } from '@moldau/kernel';
import type { NodeStart } from './group-shards.ts';
import type { NodeCondition, NodeRegistration, PartitionState, TopicRecord } from './stored-values.ts';

export interface NodeImage {
  readonly id: NodeId;
  readonly registration: NodeRegistration;
  /** This start of the node: the revision of its registration. */
  readonly epoch: NodeEpoch;
  readonly condition: NodeCondition;
  /** Revision of `condition`. 0: it was never written. */
  readonly conditionRevision: bigint;
  /** What it owns, in the order of the shards. */
  readonly groupShards: readonly GroupShardImage[];
}

/** A shard of the groups, and who owns it. */
export interface GroupShardImage {
  readonly shard: number;
  readonly owner: NodeStart;
  /** The revision that gave it to this owner: its fencing token. */
  readonly epoch: Revision;
}

export interface TopicImage {
  readonly id: TopicId;
  readonly record: TopicRecord;
  readonly revision: Revision;
  /** The revision that made the topic visible. */
  readonly createRevision: Revision;
}

/** Never changed in place: a new state is a new object. */
export interface PartitionImage {
  readonly topic: TopicId;
  readonly index: PartitionIndex;
  readonly state: PartitionState;
  /** The partition epoch. */
  readonly revision: Revision;
  /** The revision at which the partition was made. */
  readonly createRevision: Revision;
}

/** What one change touched: who keeps something made from the image makes it again from there. */
export interface ImageDelta {
  readonly revision: Revision;
  /** A shard that changes its owner counts for both. */
  readonly nodes: ReadonlySet<NodeId>;
  /** Whose record is new, changed or gone. A change of a partition alone does not count. */
  readonly topics: ReadonlySet<TopicId>;
  readonly partitions: ReadonlyMap<PartitionKey, PartitionRef>;
  readonly tombstones: ReadonlySet<TopicId>;
  readonly clusterConfig: boolean;
}

export interface PartitionRef {
  readonly topic: TopicId;
  readonly index: PartitionIndex;
}
