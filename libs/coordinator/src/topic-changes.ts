import { type Clock, faults, type Logger, type Random, type Revision, type Timers, type TopicId } from '@moldau/kernel';
import {
  type ConfigTexts,
  checkMinIsr,
  checkTopicConfig,
  checkTopicKey,
  type TopicImage,
  type TopicRecord,
  tombstoneCodec,
  topicCodec,
} from '@moldau/metadata';
import { afterConflict } from './conflicts.ts';
import type { Elections } from './elections.ts';
import type { ImageKeeper } from './image-keeper.ts';
import { PartitionBatch } from './partition-batch.ts';
import type { StoreWriter } from './store-writer.ts';
import { fillBatch, partitionsMax, planPartitions } from './topic-creation.ts';

export interface TopicUpdate {
  readonly name: string;
  readonly set: ConfigTexts;
  readonly unset: readonly string[];
  /** 0: no change. */
  readonly partitions: number;
  readonly requestId?: string | undefined;
}

export interface TopicDeletion {
  readonly name: string;
  readonly requestId?: string | undefined;
}

/** Changes and deletes topics. */
export class TopicChanges {
  readonly #ports: { clock: Clock; timers: Timers; random: Random; logger: Logger };
  readonly #keeper: ImageKeeper;
  readonly #writer: StoreWriter;
  readonly #elections: Elections;

  constructor(
    ports: { clock: Clock; timers: Timers; random: Random; logger: Logger },
    keeper: ImageKeeper,
    writer: StoreWriter,
    elections: Elections,
  ) {
    this.#ports = ports;
    this.#keeper = keeper;
    this.#writer = writer;
    this.#elections = elections;
  }

  /** The topic that exists, and its record as it would be. Throws UNKNOWN_TOPIC, PERMISSION_DENIED, INVALID_CONFIG, INVALID_REQUEST. */
  plan(asked: TopicUpdate): { topic: TopicImage; record: TopicRecord } {
    const topic = this.#keeper.image.topicByName(asked.name);
    if (topic === undefined) throw faults.unknownTopic(asked.name);
    if (topic.record.internal) throw faults.internalTopic(asked.name, 'change');
    const unset = new Set<string>(asked.unset.map(checkTopicKey));
    const kept = Object.entries(topic.record.config).filter(([key]) => !unset.has(key));
    const config = { ...Object.fromEntries(kept), ...checkTopicConfig(asked.set) };
    checkMinIsr(config, topic.record.replicas);
    const { partitions } = topic.record;
    if (asked.partitions !== 0 && asked.partitions <= partitions) {
      throw faults.invalidRequest(
        'partitions',
        `is ${asked.partitions}, and the topic has ${partitions}: it can only grow`,
      );
    }
    if (asked.partitions > partitionsMax) {
      throw faults.invalidRequest('partitions', `is ${asked.partitions}: at most ${partitionsMax}`);
    }
    const requestId = asked.requestId === undefined ? {} : { updateRequestId: asked.requestId };
    return { topic, record: { ...topic.record, config, partitions: asked.partitions || partitions, ...requestId } };
  }

  /** Resolves when the change is committed, and every partition follows it. A repeated request changes nothing. */
  async update(asked: TopicUpdate): Promise<{ topic: TopicImage; version: Revision }> {
    for (let attempt = 1; ; ) {
      const before = this.#keeper.image.topicByName(asked.name);
      if (before !== undefined && asked.requestId !== undefined && before.record.updateRequestId === asked.requestId) {
        await this.#elections.settled();
        return { topic: before, version: before.revision };
      }
      const { topic, record } = this.plan(asked);
      const step = await this.#step(topic, record);
      const now = this.#keeper.image.topic(topic.id);
      if (step === 'done' && now !== undefined) {
        await this.#elections.settled();
        return { topic: now, version: now.revision };
      }
      if (step === 'conflict') await afterConflict(this.#ports, `topic ${JSON.stringify(asked.name)}`, attempt++);
    }
  }

  /**
   * One transaction: settings, and as many new partitions as fit, with the count that includes them. A partition is
   * visible from the revision that made it: so a node can tell one that is new to it from one that it has lost.
   */
  async #step(topic: TopicImage, wanted: TopicRecord): Promise<'done' | 'more' | 'conflict'> {
    const { image } = this.#keeper;
    const seed = Math.floor(this.#ports.random.next() * 2 ** 31);
    const has = topic.record.partitions;
    const added = wanted.partitions - has;
    const states = added > 0 ? planPartitions(image, wanted, added, seed) : [];
    const batch = new PartitionBatch(image.keys);
    const fitting = fillBatch(batch, image, topic.id, states, 0, has);
    const done = fitting === states.length;
    const record = done
      ? wanted
      : { ...wanted, partitions: has + fitting, updateRequestId: topic.record.updateRequestId };
    const key = image.keys.topic(topic.id);
    const result = await this.#writer.commit({
      compares: [{ key, modRevision: topic.revision }, ...batch.compares()],
      ops: (nonce) => [{ kind: 'put', key, value: topicCodec.encode(record, nonce) }, ...batch.ops(nonce)],
    });
    if (result.kind === 'conflict') return 'conflict';
    await this.#keeper.reached(result.revision);
    this.#ports.logger.info('topic changed', { topic: record.name, id: topic.id, partitions: record.partitions });
    return done ? 'done' : 'more';
  }

  /** The id that the topic has. Throws UNKNOWN_TOPIC, PERMISSION_DENIED. */
  planDeletion({ name }: TopicDeletion): TopicImage {
    const topic = this.#keeper.image.topicByName(name);
    if (topic === undefined) throw faults.unknownTopic(name);
    if (topic.record.internal) throw faults.internalTopic(name, 'delete');
    return topic;
  }

  /** Resolves when the topic is gone for good: its tombstone lets nodes delete its data. */
  async delete(asked: TopicDeletion): Promise<{ topic: TopicId; version: Revision }> {
    const { image } = this.#keeper;
    const { keys } = image;
    for (let attempt = 1; ; attempt++) {
      const deleted = this.#deletedBefore(asked);
      if (deleted !== undefined) return { topic: deleted, version: image.revision };
      const { id, revision } = this.planDeletion(asked);
      const tombstone = {
        name: asked.name,
        deletedMs: Math.round(this.#ports.clock.wallMs()),
        requestId: asked.requestId,
      };
      const result = await this.#writer.commit({
        compares: [
          { key: keys.tombstone(id), modRevision: 0n },
          { key: keys.topic(id), modRevision: revision },
        ],
        ops: (nonce) => [
          { kind: 'put', key: keys.tombstone(id), value: tombstoneCodec.encode(tombstone, nonce) },
          { kind: 'delete', key: keys.topic(id) },
          { kind: 'delete', key: keys.topicName(asked.name) },
        ],
      });
      if (result.kind === 'committed') {
        await this.#keeper.reached(result.revision);
        this.#ports.logger.info('topic deleted', { topic: asked.name, id });
        return { topic: id, version: result.revision };
      }
      await afterConflict(this.#ports, `topic ${JSON.stringify(asked.name)}`, attempt);
    }
  }

  #deletedBefore({ name, requestId }: TopicDeletion): TopicId | undefined {
    if (requestId === undefined) return undefined;
    for (const [id, tombstone] of this.#keeper.image.tombstones) {
      if (tombstone.requestId === requestId && tombstone.name === name) return id;
    }
    return undefined;
  }
}
