import {
  type LeaderEpoch,
  leaderEpoch,
  type Millis,
  type NodeEpoch,
  type NodeId,
  nodeEpoch,
  nodeId,
  type Revision,
  revision,
  type TopicId,
  topicId,
} from '@moldau/kernel';
import type { NodeStart } from './group-shards.ts';
import { StoredFields } from './stored-fields.ts';

/** A node's registration: written once for each start. Its mod revision is the node epoch. */
export interface NodeRegistration {
  readonly address: string;
  readonly rack: string;
  readonly incarnation: string;
  readonly programVersion: string;
  readonly role: NodeRole;
}

/** What a node is for: it keeps partitions, or the state of groups. */
export type NodeRole = 'storage' | 'group-coordinator';

/** A fenced node leads nothing and is in no ISR. */
export interface NodeCondition {
  readonly fenced: boolean;
  /** It left by itself, after it had handed its partitions over. */
  readonly clean: boolean;
  readonly draining: boolean;
}

export interface TopicRecord {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
  readonly partitions: number;
  readonly replicas: number;
  readonly internal: boolean;
  readonly createdMs: Millis;
  /** Of the request that created it. */
  readonly requestId: string | undefined;
  /** Of the request that changed it last. */
  readonly updateRequestId: string | undefined;
}

/** A replica that is in sync, and the start of its node under which it is. */
export interface IsrMember {
  readonly node: NodeId;
  readonly epoch: NodeEpoch;
}

/** The state of one partition. Its mod revision is the partition epoch. */
export interface PartitionState {
  /** Preferred leader first. */
  readonly replicas: readonly NodeId[];
  readonly leader: NodeId | undefined;
  /** The start of the leader that this epoch belongs to: a restarted one never goes on with it. */
  readonly leaderNodeEpoch: NodeEpoch;
  readonly leaderEpoch: LeaderEpoch;
  readonly isr: readonly IsrMember[];
  /** Eligible leader replicas: not in sync, and known to have everything committed. Empty while |ISR| ≥ min ISR. */
  readonly elr: readonly NodeId[];
  readonly lastKnownElr: readonly NodeId[];
  readonly minIsr: number;
  /** `data-loss`: the leader was elected without everything that was acknowledged. */
  readonly recovery: 'none' | 'data-loss';
  /** The last epoch whose leader may have lacked committed data; 0: none. */
  readonly lastUncleanEpoch: LeaderEpoch;
  readonly adding: readonly NodeId[];
  readonly removing: readonly NodeId[];
}

/** What is left of a deleted topic, until every copy of its data had the time to go. */
export interface Tombstone {
  readonly name: string;
  readonly deletedMs: Millis;
  readonly requestId: string | undefined;
}

export interface ClusterConfigRecord {
  readonly config: Readonly<Record<string, string>>;
}

/** Text with a version and the nonce of its write: who wrote it is known even when the store's answer was lost. */
export interface Codec<T> {
  encode(value: T, nonce: string): string;
  /** Throws UnreadableValue; `key` names the value in its message. */
  decode(key: string, text: string): T;
}

function codec<T>(fields: (value: T) => object, read: (fields: StoredFields) => T): Codec<T> {
  const version = 1;
  return {
    encode: (value, nonce) => JSON.stringify({ v: version, nonce, ...fields(value) }),
    decode: (key, text) => read(StoredFields.parse(key, text, version)),
  };
}

/** The nonce of the write that stored this text. */
export const nonceOf = (key: string, text: string): string => StoredFields.parse(key, text, 1).text('nonce');

export const nodeCodec = codec<NodeRegistration>(
  (node) => node,
  (f) => ({
    address: f.text('address'),
    rack: f.text('rack'),
    incarnation: f.text('incarnation'),
    programVersion: f.text('programVersion'),
    // Written before there were others: a storage node.
    role: f.optionalText('role') === 'group-coordinator' ? 'group-coordinator' : 'storage',
  }),
);

export const nodeConditionCodec = codec<NodeCondition>(
  (condition) => condition,
  (f) => ({ fenced: f.flag('fenced'), clean: f.flag('clean'), draining: f.flag('draining') }),
);

export const topicCodec = codec<TopicRecord>(
  (topic) => topic,
  (f) => ({
    name: f.text('name'),
    config: f.texts('config'),
    partitions: f.integer('partitions'),
    replicas: f.integer('replicas'),
    internal: f.flag('internal'),
    createdMs: f.integer('createdMs'),
    requestId: f.optionalText('requestId'),
    updateRequestId: f.optionalText('updateRequestId'),
  }),
);

export const topicNameCodec = codec<TopicId>(
  (id) => ({ id }),
  (f) => topicId(f.text('id')),
);

export const partitionCodec = codec<PartitionState>(
  (state) => ({
    ...state,
    leaderNodeEpoch: String(state.leaderNodeEpoch),
    isr: state.isr.map(({ node, epoch }) => [node, String(epoch)]),
  }),
  (f) => {
    const leader = f.optionalInteger('leader');
    return {
      replicas: f.integers('replicas').map(nodeId),
      leader: leader === undefined ? undefined : nodeId(leader),
      leaderNodeEpoch: nodeEpoch(f.bigint('leaderNodeEpoch')),
      leaderEpoch: leaderEpoch(f.integer('leaderEpoch')),
      isr: f.pairs('isr').map(([node, epoch]) => ({ node: nodeId(node), epoch: nodeEpoch(epoch) })),
      elr: f.integers('elr').map(nodeId),
      lastKnownElr: f.integers('lastKnownElr').map(nodeId),
      minIsr: f.integer('minIsr'),
      recovery: f.text('recovery') === 'none' ? 'none' : 'data-loss',
      lastUncleanEpoch: leaderEpoch(f.integer('lastUncleanEpoch')),
      adding: f.integers('adding').map(nodeId),
      removing: f.integers('removing').map(nodeId),
    };
  },
);

export const tombstoneCodec = codec<Tombstone>(
  (tombstone) => tombstone,
  (f) => ({ name: f.text('name'), deletedMs: f.integer('deletedMs'), requestId: f.optionalText('requestId') }),
);

export const clusterConfigCodec = codec<ClusterConfigRecord>(
  (record) => record,
  (f) => ({ config: f.texts('config') }),
);

/** Who owns a shard of the groups. The mod revision is the shard's epoch. */
export const groupShardCodec = codec<NodeStart>(
  ({ node, start }) => ({ node, start: String(start) }),
  (f) => ({ node: nodeId(f.integer('node')), start: nodeEpoch(f.bigint('start')) }),
);

export const officeCodec = codec<OfficeHolder>(
  (holder) => holder,
  (f) => ({ instance: f.text('instance'), address: f.text('address') }),
);

export const suspectsCodec = codec<Suspects>(
  ({ nodes, term }) => ({ nodes, term: String(term) }),
  (f) => ({ nodes: f.integers('nodes').map(nodeId), term: revision(f.bigint('term')) }),
);

/** Who holds the office of the active coordinator. */
export interface OfficeHolder {
  /** Names the process. */
  readonly instance: string;
  /** Where the other coordinators reach it, as host:port. Empty: nowhere. */
  readonly address: string;
}

/** Nodes that a coordinator could not reach when it resigned, because most had fallen silent at once. */
export interface Suspects {
  readonly nodes: readonly NodeId[];
  /** The term that resigned: the create revision of its election key. */
  readonly term: Revision;
}

/** A plain fact: who took a block of producer ids, what the cluster is called. */
export const noteCodec = codec<string>(
  (note) => ({ note }),
  (f) => f.text('note'),
);
