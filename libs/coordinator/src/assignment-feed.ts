import { type NodeId, type PartitionKey, partitionKey, type TopicId } from '@moldau/kernel';
import type { ClusterImage, ImageDelta, PartitionImage, PartitionRef, TopicImage } from '@moldau/metadata';

/** What a node has to know next. */
export interface Assignments {
  readonly snapshot: boolean;
  readonly partitions: readonly { readonly topic: TopicImage; readonly partition: PartitionImage }[];
  readonly tombstones: readonly TopicId[];
}

/**
 * What one node has not been told yet, as names: a slow node costs no queue, and gets the newest state of each partition
 * when it reads again.
 */
export class AssignmentFeed {
  readonly #image: ClusterImage;
  readonly #node: NodeId;
  readonly #assigned = new Set<PartitionKey>();
  readonly #changed = new Map<PartitionKey, PartitionRef>();
  readonly #tombstones = new Set<TopicId>();
  #snapshotDue = true;

  constructor(image: ClusterImage, node: NodeId) {
    this.#image = image;
    this.#node = node;
  }

  /** True when the node has something new to hear. */
  note(delta: ImageDelta): boolean {
    for (const ref of delta.partitions.values()) this.#noteOne(ref);
    for (const id of delta.topics) {
      const topic = this.#image.topic(id);
      if (topic !== undefined) for (const partition of this.#image.partitionsOf(topic)) this.#noteOne(partition);
    }
    for (const id of delta.tombstones) if (this.#image.tombstones.has(id)) this.#tombstones.add(id);
    if (delta.clusterConfig) this.#snapshotDue = true;
    return this.#snapshotDue || this.#changed.size > 0 || this.#tombstones.size > 0;
  }

  take(): Assignments {
    const snapshot = this.#snapshotDue;
    const refs = snapshot ? this.#image.replicasOn(this.#node).values() : this.#changed.values();
    const partitions = [...refs].flatMap((ref) => this.#visible(ref) ?? []);
    const tombstones = snapshot ? [...this.#image.tombstones.keys()] : [...this.#tombstones];
    if (snapshot) this.#assigned.clear();
    for (const { partition } of partitions) this.#assigned.add(partitionKey(partition.topic, partition.index));
    this.#changed.clear();
    this.#tombstones.clear();
    this.#snapshotDue = false;
    return { snapshot, partitions, tombstones };
  }

  /** A partition that leaves the node is told too: its new state does not name the node. */
  #noteOne(ref: PartitionRef): void {
    const key = partitionKey(ref.topic, ref.index);
    const kept = this.#image.partition(ref)?.state.replicas.includes(this.#node) ?? false;
    if (kept || this.#assigned.has(key)) this.#changed.set(key, ref);
  }

  #visible(ref: PartitionRef): { topic: TopicImage; partition: PartitionImage } | undefined {
    const topic = this.#image.topic(ref.topic);
    const partition = this.#image.partition(ref);
    return topic === undefined || partition === undefined ? undefined : { topic, partition };
  }
}
