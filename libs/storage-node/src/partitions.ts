import { faults, type PartitionKey, partitionIndex, partitionKey, type TopicId, topicId } from '@moldau/kernel';
import type { Partition } from './partition.ts';

/** The partitions of this node, by topic id and by name. */
export class Partitions {
  readonly #byKey = new Map<PartitionKey, Partition>();
  readonly #byName = new Map<string, Map<number, Partition>>();

  add(partition: Partition): void {
    const { topicId: topic, partition: index } = partition.log.identity;
    this.#byKey.set(partitionKey(topic, index), partition);
    const named = this.#byName.get(partition.topic) ?? new Map<number, Partition>();
    named.set(index, partition);
    this.#byName.set(partition.topic, named);
  }

  remove(partition: Partition): void {
    const { topicId: topic, partition: index } = partition.log.identity;
    this.#byKey.delete(partitionKey(topic, index));
    const named = this.#byName.get(partition.topic);
    if (named?.get(index) === partition) named.delete(index);
    if (named?.size === 0) this.#byName.delete(partition.topic);
  }

  get(key: PartitionKey): Partition | undefined {
    return this.#byKey.get(key);
  }

  all(): Iterable<Partition> {
    return this.#byKey.values();
  }

  /** Every partition of one topic. */
  ofTopic(topic: TopicId): Partition[] {
    return [...this.#byKey.values()].filter((partition) => partition.log.identity.topicId === topic);
  }

  /** By id, as sessions name them. Throws UNKNOWN_TOPIC. */
  byId(topic: string, index: number): Partition {
    const found = this.#byKey.get(partitionKey(topicId(topic), partitionIndex(index)));
    if (found === undefined) throw faults.unknownTopic(topic);
    return found;
  }

  /** By name, as unary calls name them. Throws UNKNOWN_TOPIC or UNKNOWN_PARTITION. */
  byName(topic: string, index: number): Partition {
    const named = this.#byName.get(topic);
    if (named === undefined) throw faults.unknownTopic(topic);
    const found = named.get(index);
    if (found === undefined) throw faults.unknownPartition(topic, index, named.size);
    return found;
  }

  /** How many partitions of a topic this node knows. Throws UNKNOWN_TOPIC. */
  count(topic: string): number {
    const named = this.#byName.get(topic);
    if (named === undefined) throw faults.unknownTopic(topic);
    return named.size;
  }
}
