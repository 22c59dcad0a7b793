import {
  type Clock,
  faults,
  type Logger,
  MoldauError,
  type NodeId,
  partitionIndex,
  type Random,
  type Revision,
  randomName,
  type Timers,
  type TopicId,
  topicId,
} from '@moldau/kernel';
import {
  type ClusterImage,
  type ConfigTexts,
  checkMinIsr,
  checkTopicConfig,
  checkTopicName,
  isInternalTopic,
  minIsrOf,
  type NodeImage,
  newPartition,
  type PartitionState,
  placeReplicas,
  type TopicImage,
  type TopicRecord,
  topicCodec,
  topicNameCodec,
} from '@moldau/metadata';
import { afterConflict } from './conflicts.ts';
import type { ImageKeeper } from './image-keeper.ts';
import { PartitionBatch } from './partition-batch.ts';
import type { StoreWriter } from './store-writer.ts';

export interface NewTopic {
  readonly name: string;
  /** 0: the cluster's default. */
  readonly partitions: number;
  /** 0: the cluster's default. */
  readonly replicas: number;
  readonly config: ConfigTexts;
  readonly requestId?: string | undefined;
}

/** Whose topic it is: names of the system are refused to everybody else. */
type TopicKind = 'of-users' | 'internal';

/** A topic as it would be. */
export interface PlannedTopic {
  readonly record: TopicRecord;
  readonly partitions: readonly PartitionState[];
}

export const partitionsMax = 100_000;
const replicasMax = 7;

/**
 * Creates topics. Partitions are written first, in batches, and nobody sees them; one last transaction makes the topic
 * visible, and proves that the sweeper has not taken its partitions for left-overs meanwhile, and that nobody has deleted it.
 */
export class TopicCreation {
  readonly #ports: { clock: Clock; timers: Timers; random: Random; logger: Logger };
  readonly #defaults: { readonly defaultPartitions: number; readonly defaultReplicas: number };
  readonly #keeper: ImageKeeper;
  readonly #writer: StoreWriter;
  readonly #underway = new Set<TopicId>();

  constructor(
    ports: { clock: Clock; timers: Timers; random: Random; logger: Logger },
    defaults: { readonly defaultPartitions: number; readonly defaultReplicas: number },
    keeper: ImageKeeper,
    writer: StoreWriter,
  ) {
    this.#ports = ports;
    this.#defaults = defaults;
    this.#keeper = keeper;
    this.#writer = writer;
  }

  /** Topics whose partitions are being written: not yet visible, and no left-overs. */
  get underway(): ReadonlySet<TopicId> {
    return this.#underway;
  }

  /** Checks everything that can be checked without a change. Throws what `create` would reject with. */
  plan(asked: NewTopic, kind: TopicKind = 'of-users'): PlannedTopic {
    if (kind === 'of-users') checkTopicName(asked.name);
    const { image } = this.#keeper;
    if (image.topicByName(asked.name) !== undefined) throw topicExists(asked.name);
    const partitions = asked.partitions === 0 ? this.#defaults.defaultPartitions : asked.partitions;
    const replicas = asked.replicas === 0 ? this.#defaults.defaultReplicas : asked.replicas;
    if (partitions > partitionsMax) {
      throw faults.invalidRequest('partitions', `is ${partitions}: 1 to ${partitionsMax}`);
    }
    if (replicas > replicasMax) throw faults.invalidRequest('replicas', `is ${replicas}: 1 to ${replicasMax}`);
    requireJoined(asked.replicas, image.nodes().filter(isStorage).length);
    const config = checkTopicConfig(asked.config);
    checkMinIsr(config, replicas);
    const record: TopicRecord = {
      name: asked.name,
      config,
      partitions,
      replicas,
      internal: isInternalTopic(asked.name),
      createdMs: Math.round(this.#ports.clock.wallMs()),
      requestId: asked.requestId,
      updateRequestId: undefined,
    };
    const seed = Math.floor(this.#ports.random.next() * 2 ** 31);
    return { record, partitions: planPartitions(image, record, partitions, seed) };
  }

  /** Resolves when the topic is committed and the image has it. A repeated request gets the topic of the first. */
  async create(asked: NewTopic, kind: TopicKind = 'of-users'): Promise<{ topic: TopicImage; version: Revision }> {
    const { image } = this.#keeper;
    for (let attempt = 1; ; attempt++) {
      const existing = image.topicByName(asked.name);
      if (existing !== undefined && isRepeat(existing, asked)) {
        return { topic: existing, version: existing.createRevision };
      }
      const id = topicId(randomName(this.#ports.random));
      const version = await this.#write(id, this.plan(asked, kind));
      const topic = version === undefined ? undefined : image.topic(id);
      if (version !== undefined && topic !== undefined) return { topic, version };
      await afterConflict(this.#ports, `topic ${JSON.stringify(asked.name)}`, attempt);
    }
  }

  async #write(id: TopicId, { record, partitions }: PlannedTopic): Promise<Revision | undefined> {
    this.#underway.add(id);
    try {
      const first = await writePartitions(this.#keeper, this.#writer, id, partitions);
      if (first === undefined) return undefined;
      const { keys } = this.#keeper.image;
      const result = await this.#writer.commit({
        compares: [
          { key: keys.topic(id), modRevision: 0n },
          { key: keys.topicName(record.name), modRevision: 0n },
          { key: keys.partition(id, partitionIndex(0)), modRevision: first },
          // An attempt that was given up may arrive when the topic was made by another one, and is deleted. Its tombstone
          // stays for as long as its partitions do.
          { key: keys.tombstone(id), modRevision: 0n },
        ],
        ops: (nonce) => [
          { kind: 'put', key: keys.topic(id), value: topicCodec.encode(record, nonce) },
          { kind: 'put', key: keys.topicName(record.name), value: topicNameCodec.encode(id, nonce) },
        ],
      });
      if (result.kind === 'conflict') return undefined;
      await this.#keeper.reached(result.revision);
      this.#ports.logger.info('topic created', { topic: record.name, id, partitions: record.partitions });
      return result.revision;
    } finally {
      this.#underway.delete(id);
    }
  }
}

/**
 * Nodes that are not there may come back, so a request for them may be repeated; those that never joined are asked for by
 * mistake. The cluster's default is none: while a cluster starts, its nodes are still to join.
 */
function requireJoined(replicas: number, nodes: number): void {
  if (replicas <= nodes) return;
  throw new MoldauError(
    'NOT_ENOUGH_NODES',
    `${replicas} replicas need ${replicas} nodes, and the cluster has ${nodes}: start more nodes, or ask for fewer replicas`,
    { replicas, nodes },
  );
}

/** Writes the partitions, and returns the revision of the first; `undefined` when a node changed meanwhile. */
async function writePartitions(
  keeper: ImageKeeper,
  writer: StoreWriter,
  id: TopicId,
  states: readonly PartitionState[],
): Promise<Revision | undefined> {
  let first: Revision | undefined;
  for (let next = 0; next < states.length; ) {
    const batch = new PartitionBatch(keeper.image.keys);
    next = fillBatch(batch, keeper.image, id, states, next);
    const result = await writer.commit({ compares: batch.compares(), ops: (nonce) => batch.ops(nonce) });
    if (result.kind === 'conflict') return undefined;
    first ??= result.revision;
  }
  return first;
}

/** Adds new partitions from `from` on, as many as fit, and returns the first that does not. */
export function fillBatch(
  batch: PartitionBatch,
  image: ClusterImage,
  topic: TopicId,
  states: readonly PartitionState[],
  from: number,
  firstIndex = 0,
): number {
  let next = from;
  for (; next < states.length; next++) {
    const state = states[next];
    if (state === undefined) break;
    const nodes = state.isr.flatMap(({ node }) => image.node(node) ?? []);
    if (!batch.add({ topic, index: partitionIndex(firstIndex + next) }, state, 0n, nodes)) break;
  }
  return next;
}

/** Places new partitions on the nodes that are active now. Throws NOT_SERVING while they are too few. */
export function planPartitions(
  image: ClusterImage,
  topic: TopicRecord,
  partitions: number,
  seed: number,
): PartitionState[] {
  const active = image.nodes().filter((node) => isStorage(node) && mayTake(node));
  if (active.length < topic.replicas) {
    throw new MoldauError(
      'NOT_SERVING',
      `${topic.replicas} replicas need ${topic.replicas} active nodes, and there are ${active.length}: start more nodes, or ask for fewer replicas`,
      { state: 'short of nodes' },
    );
  }
  const byId = new Map<NodeId, NodeImage>(active.map((node) => [node.id, node]));
  const minIsr = minIsrOf(topic.config, image.clusterConfig, topic.replicas);
  const candidates = active.map(({ id, registration }) => {
    return { id, rack: registration.rack, replicas: image.replicasOn(id).size, led: image.ledBy(id) };
  });
  return placeReplicas(candidates, partitions, topic.replicas, seed).map((replicas) => {
    const members = replicas.flatMap((id) => {
      const node = byId.get(id);
      return node === undefined ? [] : [{ node: id, epoch: node.epoch }];
    });
    return newPartition(members, minIsr);
  });
}

export const isStorage = ({ registration }: NodeImage): boolean => registration.role === 'storage';

/** Whether it may get something new now. */
export const mayTake = ({ condition }: NodeImage): boolean => !condition.fenced && !condition.draining;

const isRepeat = (existing: TopicImage, { requestId }: NewTopic): boolean =>
  requestId !== undefined && existing.record.requestId === requestId;

const topicExists = (name: string): MoldauError =>
  new MoldauError('TOPIC_EXISTS', `topic ${JSON.stringify(name)} exists: use it, or choose another name`, {
    topic: name,
  });
