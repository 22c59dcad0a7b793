import {
  revision as asRevision,
  assert,
  type NodeEpoch,
  type NodeId,
  nodeEpoch,
  type PartitionKey,
  partitionKey,
  type Revision,
  type TopicId,
} from '@moldau/kernel';
import type {
  GroupShardImage,
  ImageDelta,
  NodeImage,
  PartitionImage,
  PartitionRef,
  TopicImage,
} from './image-parts.ts';
import { Keys, parseKey } from './keys.ts';
import type { StoreChange, StoreEntry, StoreEvent } from './store.ts';
import {
  clusterConfigCodec,
  groupShardCodec,
  type NodeCondition,
  type NodeRegistration,
  nodeCodec,
  nodeConditionCodec,
  type PartitionState,
  partitionCodec,
  type Suspects,
  suspectsCodec,
  type Tombstone,
  tombstoneCodec,
  topicCodec,
} from './stored-values.ts';

type Touched = {
  nodes: Set<NodeId>;
  topics: Set<TopicId>;
  partitions: Map<PartitionKey, PartitionRef>;
  tombstones: Set<TopicId>;
  clusterConfig: boolean;
};

const noShards: readonly GroupShardImage[] = [];
const neverWritten: NodeCondition = { fenced: true, clean: false, draining: false };

/**
 * The cluster's metadata at one revision of the store. One owner applies changes; everyone else reads between two of them
 * and keeps nothing across an `await` but the immutable parts. A change costs what it touches, never the size of the whole.
 */
export class ClusterImage {
  readonly keys: Keys;
  #revision = asRevision(0n);
  readonly #registrations = new Map<NodeId, { value: NodeRegistration; epoch: NodeEpoch }>();
  readonly #conditions = new Map<NodeId, { value: NodeCondition; revision: Revision }>();
  readonly #topics = new Map<TopicId, TopicImage>();
  readonly #topicByName = new Map<string, TopicId>();
  readonly #partitions = new Map<TopicId, Map<number, PartitionImage>>();
  readonly #replicasOf = new Map<NodeId, Map<PartitionKey, PartitionRef>>();
  readonly #ledBy = new Map<NodeId, number>();
  readonly #groupShards = new Map<number, GroupShardImage>();
  readonly #shardsOf = new Map<NodeId, readonly GroupShardImage[]>();
  readonly #tombstones = new Map<TopicId, Tombstone>();
  #clusterConfig: Readonly<Record<string, string>> = {};
  #producerIdsRevision = 0n;
  #term = 0n;
  #suspects: { readonly value: Suspects; readonly revision: Revision } | undefined;

  constructor(clusterId: string) {
    this.keys = new Keys(clusterId);
  }

  get revision(): Revision {
    return this.#revision;
  }
  get tombstones(): ReadonlyMap<TopicId, Tombstone> {
    return this.#tombstones;
  }
  /** Settings that hold for every topic which does not say otherwise. */
  get clusterConfig(): Readonly<Record<string, string>> {
    return this.#clusterConfig;
  }
  /** The write that took the last block of producer ids. 0: none was. */
  get producerIdsRevision(): bigint {
    return this.#producerIdsRevision;
  }
  /** The create revision of the election key: who holds the office now. 0: nobody. */
  get term(): bigint {
    return this.#term;
  }
  /** Whom the last coordinator that resigned could not reach, and when it wrote that. */
  get suspects(): { readonly value: Suspects; readonly revision: Revision } | undefined {
    return this.#suspects;
  }
  get topicCount(): number {
    return this.#topics.size;
  }

  node(id: NodeId): NodeImage | undefined {
    const registered = this.#registrations.get(id);
    if (registered === undefined) return undefined;
    const condition = this.#conditions.get(id);
    return {
      id,
      registration: registered.value,
      epoch: registered.epoch,
      condition: condition?.value ?? neverWritten,
      conditionRevision: condition?.revision ?? 0n,
      groupShards: this.#shardsOf.get(id) ?? noShards,
    };
  }

  /** The running start of a node that is not fenced. `undefined`: it may lead nothing, and is in no ISR. */
  activeEpochOf(id: NodeId): NodeEpoch | undefined {
    const node = this.node(id);
    return node === undefined || node.condition.fenced ? undefined : node.epoch;
  }

  /** By id. */
  nodes(): NodeImage[] {
    return [...this.#registrations.keys()].sort((a, b) => a - b).flatMap((id) => this.node(id) ?? []);
  }

  /** Undefined: it never had an owner. */
  groupShard(shard: number): GroupShardImage | undefined {
    return this.#groupShards.get(shard);
  }

  topic(id: TopicId): TopicImage | undefined {
    return this.#topics.get(id);
  }

  topicByName(name: string): TopicImage | undefined {
    const id = this.#topicByName.get(name);
    return id === undefined ? undefined : this.#topics.get(id);
  }

  topics(): IterableIterator<TopicImage> {
    return this.#topics.values();
  }

  /** The partitions of a topic that exists, by index. */
  partitionsOf(topic: TopicImage): PartitionImage[] {
    const kept = this.#partitions.get(topic.id);
    const found: PartitionImage[] = [];
    for (let index = 0; index < topic.record.partitions; index++) {
      const partition = kept?.get(index);
      if (partition !== undefined) found.push(partition);
    }
    return found;
  }

  partition({ topic, index }: PartitionRef): PartitionImage | undefined {
    return this.#topics.has(topic) ? this.#partitions.get(topic)?.get(index) : undefined;
  }

  /** Every partition that has a copy on the node, of topics that exist or are being made or deleted. */
  replicasOn(node: NodeId): ReadonlyMap<PartitionKey, PartitionRef> {
    return this.#replicasOf.get(node) ?? new Map();
  }

  /** How many partitions the node leads. */
  ledBy(node: NodeId): number {
    return this.#ledBy.get(node) ?? 0;
  }

  /** The partitions that are stored for a topic, whether it exists or not. */
  storedPartitions(topic: TopicId): IterableIterator<PartitionImage> {
    return (this.#partitions.get(topic) ?? new Map<number, PartitionImage>()).values();
  }

  /** Topics that have partitions but do not exist: being made or deleted, or left behind. */
  topicsWithoutRecord(): TopicId[] {
    return [...this.#partitions.keys()].filter((id) => !this.#topics.has(id));
  }

  /** Takes a change of the store; those of one watch come in order. Throws UnreadableValue. */
  apply(change: StoreChange): ImageDelta {
    assert(change.revision >= this.#revision, 'an image never goes back');
    const touched: Touched = {
      nodes: new Set(),
      topics: new Set(),
      partitions: new Map(),
      tombstones: new Set(),
      clusterConfig: false,
    };
    for (const event of change.events) this.#applyEvent(event, touched);
    this.#revision = change.revision;
    return { revision: change.revision, ...touched };
  }

  #applyEvent(event: StoreEvent, touched: Touched): void {
    const entry = event.kind === 'put' ? event.entry : undefined;
    const key = event.kind === 'put' ? event.entry.key : event.key;
    assert(key.startsWith(this.keys.prefix), `${key} belongs to this cluster`);
    const parsed = parseKey(key.slice(this.keys.prefix.length));
    switch (parsed.kind) {
      case 'node':
        this.#setNode(parsed.node, entry, touched);
        break;
      case 'node-state':
        this.#setCondition(parsed.node, entry, touched);
        break;
      case 'topic':
        this.#setTopic(parsed.topic, entry, touched);
        break;
      case 'partition':
        this.#setPartition({ topic: parsed.topic, index: parsed.partition }, entry, touched);
        break;
      case 'group-shard':
        this.#setGroupShard(parsed.shard, entry, touched);
        break;
      case 'tombstone':
        touched.tombstones.add(parsed.topic);
        if (entry === undefined) this.#tombstones.delete(parsed.topic);
        else this.#tombstones.set(parsed.topic, tombstoneCodec.decode(entry.key, entry.value));
        break;
      case 'cluster-config':
        touched.clusterConfig = true;
        this.#clusterConfig = entry === undefined ? {} : clusterConfigCodec.decode(entry.key, entry.value).config;
        break;
      case 'producer-ids':
        this.#producerIdsRevision = entry?.modRevision ?? 0n;
        break;
      case 'election':
        this.#term = entry?.createRevision ?? 0n;
        break;
      case 'suspects':
        this.#suspects =
          entry === undefined
            ? undefined
            : { value: suspectsCodec.decode(entry.key, entry.value), revision: entry.modRevision };
        break;
      case 'other':
        break;
    }
  }

  #setNode(id: NodeId, entry: StoreEntry | undefined, touched: Touched): void {
    touched.nodes.add(id);
    if (entry === undefined) this.#registrations.delete(id);
    else {
      const value = nodeCodec.decode(entry.key, entry.value);
      this.#registrations.set(id, { value, epoch: nodeEpoch(entry.modRevision) });
    }
  }

  #setCondition(id: NodeId, entry: StoreEntry | undefined, touched: Touched): void {
    touched.nodes.add(id);
    if (entry === undefined) this.#conditions.delete(id);
    else {
      const value = nodeConditionCodec.decode(entry.key, entry.value);
      this.#conditions.set(id, { value, revision: entry.modRevision });
    }
  }

  #setGroupShard(shard: number, entry: StoreEntry | undefined, touched: Touched): void {
    const before = this.#groupShards.get(shard);
    if (entry === undefined) this.#groupShards.delete(shard);
    else {
      const owner = groupShardCodec.decode(entry.key, entry.value);
      this.#groupShards.set(shard, { shard, owner, epoch: entry.modRevision });
    }
    const now = this.#groupShards.get(shard);
    for (const node of new Set([before?.owner.node, now?.owner.node])) {
      if (node === undefined) continue;
      touched.nodes.add(node);
      const owned = [...this.#groupShards.values()].filter(({ owner }) => owner.node === node);
      this.#shardsOf.set(
        node,
        owned.sort((a, b) => a.shard - b.shard),
      );
    }
  }

  #setTopic(id: TopicId, entry: StoreEntry | undefined, touched: Touched): void {
    touched.topics.add(id);
    const before = this.#topics.get(id);
    if (before !== undefined && this.#topicByName.get(before.record.name) === id) {
      this.#topicByName.delete(before.record.name);
    }
    if (entry === undefined) {
      this.#topics.delete(id);
      return;
    }
    const record = topicCodec.decode(entry.key, entry.value);
    this.#topics.set(id, { id, record, revision: entry.modRevision, createRevision: entry.createRevision });
    this.#topicByName.set(record.name, id);
  }

  #setPartition(ref: PartitionRef, entry: StoreEntry | undefined, touched: Touched): void {
    const key = partitionKey(ref.topic, ref.index);
    touched.partitions.set(key, ref);
    const siblings = this.#partitions.get(ref.topic) ?? new Map<number, PartitionImage>();
    const before = siblings.get(ref.index);
    if (before !== undefined) this.#forgetReplicas(key, before.state);
    if (entry === undefined) {
      siblings.delete(ref.index);
      if (siblings.size === 0) this.#partitions.delete(ref.topic);
      return;
    }
    const state = partitionCodec.decode(entry.key, entry.value);
    siblings.set(ref.index, { ...ref, state, revision: entry.modRevision, createRevision: entry.createRevision });
    this.#partitions.set(ref.topic, siblings);
    this.#noteReplicas(key, ref, state);
  }

  #forgetReplicas(key: PartitionKey, state: PartitionState): void {
    for (const node of state.replicas) this.#replicasOf.get(node)?.delete(key);
    if (state.leader !== undefined) this.#ledBy.set(state.leader, this.ledBy(state.leader) - 1);
  }

  #noteReplicas(key: PartitionKey, ref: PartitionRef, state: PartitionState): void {
    for (const node of state.replicas) {
      const kept = this.#replicasOf.get(node) ?? new Map<PartitionKey, PartitionRef>();
      this.#replicasOf.set(node, kept.set(key, ref));
    }
    if (state.leader !== undefined) this.#ledBy.set(state.leader, this.ledBy(state.leader) + 1);
  }
}
