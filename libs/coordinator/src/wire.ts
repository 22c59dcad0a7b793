// Where the contract and the core meet: the only file that knows both.
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  faults,
  nodeEpoch,
  nodeId,
  partitionIndex,
  partitionKey,
  revision,
  type TopicId,
  topicId,
} from '@moldau/kernel';
import {
  type ClusterImage,
  effectiveTexts,
  type Finding,
  type IsrMember,
  type NodeImage,
  type PartitionImage,
  type PartitionState,
  type ReplicaReport,
  type ResolvedSetting,
  readTopicConfig,
  type TopicImage,
  type TopicRecord,
} from '@moldau/metadata';
import {
  type ConfigEntry,
  ConfigSource,
  type ConfigValueSchema,
  type FindingSchema,
  Severity,
  type TopicSummarySchema,
  type WatchMetadataResponseSchema,
} from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import {
  NodeRole,
  type NodeSchema,
  NodeState,
  type PartitionSchema,
  type TopicSchema,
} from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import {
  type AlterIsrRequest,
  type InSyncReplica,
  type IsrChange,
  IsrOutcome,
  type IsrResultSchema,
  type NodeSessionRequest,
  type NodeSessionResponseSchema,
  type PartitionReport,
  type RegisterNodeRequest,
  ReplicaState,
} from '@moldau/proto/moldau/internal/v1/controller_pb';
import type { MetadataChange } from '@moldau/routing';
import type { AskedIsr, IsrOutcome as Outcome } from './isr-changes.ts';
import type { NodeHears, NodeSays } from './node-session.ts';
import type { Registering } from './registration.ts';

type NodeMessage = MessageInitShape<typeof NodeSchema>;
type TopicMessage = MessageInitShape<typeof TopicSchema>;
type PartitionMessage = MessageInitShape<typeof PartitionSchema>;

const roles = { storage: NodeRole.STORAGE, 'group-coordinator': NodeRole.GROUP_COORDINATOR } as const;

/** `rewrittenTo`: the address under which all nodes that serve are reached, if not their own. */
export function toNode(node: NodeImage, rewrittenTo: string | undefined): NodeMessage {
  const { fenced, draining } = node.condition;
  const serving = draining ? NodeState.DRAINING : NodeState.ACTIVE;
  return {
    id: node.id,
    address: (fenced ? undefined : rewrittenTo) ?? node.registration.address,
    rack: node.registration.rack,
    state: fenced ? NodeState.FENCED : serving,
    epoch: node.epoch,
    version: node.registration.programVersion,
    role: roles[node.registration.role],
    groupShards: node.groupShards.map(({ shard, epoch }) => ({ index: shard, epoch })),
  };
}

export const toTopic = (image: ClusterImage, topic: TopicImage): TopicMessage => ({
  ...toTopicRecord(image, topic.record),
  id: topic.id,
  partitions: image.partitionsOf(topic).map(({ index, state }) => toPartition(index, state)),
});

/** A topic that is only planned. */
export const toPlannedTopic = (
  image: ClusterImage,
  record: TopicRecord,
  partitions: readonly PartitionState[],
): TopicMessage => ({
  ...toTopicRecord(image, record),
  partitions: partitions.map((state, index) => toPartition(index, state)),
});

const toTopicRecord = (image: ClusterImage, { name, config, internal }: TopicRecord) => ({
  name,
  internal,
  maxBatchBytes: readTopicConfig({ ...image.clusterConfig, ...config })['max.batch.bytes'],
});

const toPartition = (index: number, state: PartitionState): PartitionMessage => ({
  index,
  ...(state.leader === undefined ? {} : { leader: state.leader }),
  leaderEpoch: state.leaderEpoch,
  replicas: [...state.replicas],
  inSync: state.isr.map(({ node }) => node),
  minInSync: state.minIsr,
});

export const toSummary = (image: ClusterImage, topic: TopicImage): MessageInitShape<typeof TopicSummarySchema> => ({
  name: topic.record.name,
  id: topic.id,
  partitions: topic.record.partitions,
  replicas: topic.record.replicas,
  internal: topic.record.internal,
  offlinePartitions: image.partitionsOf(topic).filter(({ state }) => state.leader === undefined).length,
});

const sources = { topic: ConfigSource.TOPIC, cluster: ConfigSource.CLUSTER, default: ConfigSource.DEFAULT };

export const toConfigValue = ({ source, ...setting }: ResolvedSetting): MessageInitShape<typeof ConfigValueSchema> => ({
  ...setting,
  source: sources[source],
});

export const toFinding = ({ severity, message }: Finding): MessageInitShape<typeof FindingSchema> => ({
  severity: severity === 'critical' ? Severity.CRITICAL : Severity.WARNING,
  message,
});

/** Settings by key. A key that is given twice is refused: which one is meant? */
export function fromConfig(entries: readonly ConfigEntry[]): Record<string, string> {
  const texts = new Map<string, string>();
  for (const { key, value } of entries) {
    if (texts.has(key)) throw faults.invalidRequest('config', `names ${JSON.stringify(key)} twice`);
    texts.set(key, value);
  }
  return Object.fromEntries(texts);
}

export const toMetadataChange = (
  image: ClusterImage,
  clusterId: string,
  change: MetadataChange<NodeImage, TopicImage>,
  rewrittenTo: string | undefined,
): MessageInitShape<typeof WatchMetadataResponseSchema> => ({
  version: change.version,
  snapshot: change.snapshot,
  complete: change.complete,
  clusterId,
  nodes: change.nodes.map((node) => toNode(node, rewrittenTo)),
  removedNodes: [...change.removedNodes],
  topics: change.topics.map((topic) => toTopic(image, topic)),
  removedTopicIds: [...change.removedTopics],
});

export const fromRegisterNode = (request: RegisterNodeRequest): Registering => ({
  clusterId: request.clusterId,
  node: nodeId(request.nodeId),
  registration: {
    address: request.address,
    rack: request.rack,
    incarnation: request.incarnation,
    programVersion: request.programVersion,
    role: request.role === NodeRole.GROUP_COORDINATOR ? 'group-coordinator' : 'storage',
  },
});

export const fromNodeSession = (request: NodeSessionRequest): NodeSays => ({
  node: nodeId(request.nodeId),
  epoch: nodeEpoch(request.nodeEpoch),
  reports: request.reports.map((report) => ({
    partition: partitionKey(topicId(report.topicId), partitionIndex(report.partition)),
    report: fromReport(report),
  })),
  ready: request.ready,
  leaving: request.leaving,
  storageFailed: request.storageFailed,
  diskFull: request.diskFull,
  lostShards: request.lostShards.map(({ index, epoch }) => ({ shard: index, epoch })),
  seen: revision(request.highestVersion),
  clusterId: request.clusterId,
});

const replicaStates = new Map<number, ReplicaReport['state']>([
  [ReplicaState.CLEAN, 'clean'],
  [ReplicaState.UNCLEAN, 'unclean'],
  [ReplicaState.DOUBTFUL, 'doubtful'],
  [ReplicaState.CORRUPT, 'corrupt'],
]);

/** An election goes above every epoch that was reported: a damaged one may not use them all up. */
const epochMax = 2 ** 31;

function fromReport({ leaderEpoch, lastEpoch, durableEnd, state, resignedEpoch }: PartitionReport): ReplicaReport {
  const known = replicaStates.get(state);
  if (known === undefined) throw faults.invalidRequest('reports.state', `is ${state}: not known here`);
  if (Math.max(leaderEpoch, lastEpoch) > epochMax) {
    throw faults.invalidRequest(
      'reports.leader_epoch',
      `is ${leaderEpoch}, or last_epoch ${lastEpoch}: no leader had it`,
    );
  }
  if (durableEnd < 0n) throw faults.invalidRequest('reports.durable_end', `is ${durableEnd}: 0 or more`);
  return { leaderEpoch, lastEpoch, durableEnd, state: known, resignedEpoch };
}

export const toNodeSession = (
  image: ClusterImage,
  { version, snapshot, partitions, tombstones, nowMs, fenced }: NodeHears,
): MessageInitShape<typeof NodeSessionResponseSchema> => {
  const configs = new Map<TopicId, Record<string, string>>();
  return {
    version,
    snapshot,
    assignments: partitions.map(({ topic, partition }) => {
      const config = configs.get(topic.id) ?? effectiveTexts(topic.record.config, image.clusterConfig);
      configs.set(topic.id, config);
      return toAssignment(topic, partition, config);
    }),
    tombstones: [...tombstones],
    nowMs: BigInt(Math.round(nowMs)),
    ...(fenced === undefined ? {} : { fenced }),
  };
};

const toAssignment = (topic: TopicImage, partition: PartitionImage, config: Record<string, string>) => ({
  topicId: topic.id,
  topic: topic.record.name,
  partition: toPartition(partition.index, partition.state),
  partitionEpoch: partition.revision,
  leaderNodeEpoch: partition.state.leaderNodeEpoch,
  isr: partition.state.isr.map(({ node, epoch }) => ({ nodeId: node, nodeEpoch: epoch })),
  elr: [...partition.state.elr],
  lastUncleanEpoch: partition.state.lastUncleanEpoch,
  config,
  // Nobody was told of it before: neither of its first state, nor of a topic that was still being made.
  assignedVersion: partition.createRevision > topic.createRevision ? partition.createRevision : topic.createRevision,
});

const isrChangesMax = 1_000;
/** Above what a partition has, even while its replicas move. */
const membersMax = 16;

/** Refuses what no leader sends: too much, or two proposals for one partition. */
export function fromAlterIsr(request: AlterIsrRequest): { sender: IsrMember; changes: AskedIsr[] } {
  const { length } = request.changes;
  if (length > isrChangesMax) throw faults.invalidRequest('changes', `are ${length}: at most ${isrChangesMax}`);
  const sender = fromInSync(request);
  const changes = request.changes.map((change) => fromIsrChange(sender, change));
  const named = new Set(changes.map(({ partition }) => partitionKey(partition.topic, partition.index)));
  if (named.size < length) throw faults.invalidRequest('changes', 'name a partition twice');
  return { sender, changes };
}

const fromInSync = ({ nodeId: node, nodeEpoch: epoch }: Pick<InSyncReplica, 'nodeId' | 'nodeEpoch'>): IsrMember => ({
  node: nodeId(node),
  epoch: nodeEpoch(epoch),
});

function fromIsrChange(sender: IsrMember, change: IsrChange): AskedIsr {
  if (change.isr.length > membersMax || change.unfit.length > membersMax) {
    throw faults.invalidRequest('changes.isr', `or unfit names more than ${membersMax} nodes`);
  }
  return {
    partition: { topic: topicId(change.topicId), index: partitionIndex(change.partition) },
    change: {
      sender,
      leaderEpoch: change.leaderEpoch,
      partitionEpoch: change.partitionEpoch,
      isr: change.isr.map(fromInSync),
      unfit: change.unfit.map(nodeId),
    },
  };
}

const outcomes: Record<Outcome['kind'], IsrOutcome> = {
  committed: IsrOutcome.COMMITTED,
  ineligible: IsrOutcome.INELIGIBLE,
  stale: IsrOutcome.STALE,
  fenced: IsrOutcome.FENCED,
  unknown: IsrOutcome.UNKNOWN,
};

export const toIsrResult = (outcome: Outcome): MessageInitShape<typeof IsrResultSchema> => ({
  outcome: outcomes[outcome.kind],
  ...(outcome.kind === 'committed' && { partitionEpoch: outcome.partitionEpoch }),
});
