import type { GroupConsumer, Moldau, TopicPartition } from '@moldau/client';
import type { History } from './history.ts';

/** What a member of the load is told besides. */
export interface MemberOptions {
  readonly group: string;
  readonly topic: string;
  /** Called for each record. */
  readonly record?: (partition: number) => void;
  /** Called for each commit that was accepted. */
  readonly committed?: (partition: number) => void;
}

/** A consumer that writes down what it is given: commits after every handful. */
export class Member {
  readonly name: string;
  readonly #consumer: GroupConsumer;
  readonly #history: History;
  readonly #options: MemberOptions;
  readonly #over: Promise<void>;
  readonly #owned = new Set<number>();

  constructor(client: Moldau, name: string, history: History, options: MemberOptions) {
    const { group, topic } = options;
    this.name = name;
    this.#history = history;
    this.#options = options;
    this.#consumer = client.consumer({ group, topics: [topic], from: 'start', commit: 'manual' });
    this.#consumer.on('assigned', ({ partitions }) => this.#assigned(partitions));
    this.#consumer.on('revoked', ({ partitions }) => this.#released(partitions));
    this.#consumer.on('lost', ({ partitions }) => this.#released(partitions));
    this.#over = this.#consume();
    this.#over.catch(() => {});
  }

  /** What it has now. */
  get owned(): ReadonlySet<number> {
    return this.#owned;
  }

  /** Leaves the group. Rejects with what the consumer ended with before. */
  async leave(): Promise<void> {
    await this.#consumer.close();
    await this.#over;
    for (const partition of this.#owned) this.#history.released(this.name, partition);
    this.#owned.clear();
  }

  async #consume(): Promise<void> {
    for await (const batch of this.#consumer.batches({ maxRecords: 1_000, maxWait: '100ms' })) {
      const next = new Map<number, number>();
      for (const { partition, offset } of batch.records) {
        this.#history.delivered(this.name, partition, Number(offset));
        this.#options.record?.(partition);
        next.set(partition, Number(offset) + 1);
      }
      try {
        await batch.commit();
      } catch {
        // It was lost, or nobody answers: it comes again, here or elsewhere.
        continue;
      }
      for (const [partition, at] of next) {
        this.#history.committed(this.name, partition, at);
        this.#options.committed?.(partition);
      }
    }
  }

  #assigned(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) {
      this.#owned.add(partition);
      this.#history.assigned(this.name, partition);
    }
  }

  #released(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) {
      this.#owned.delete(partition);
      this.#history.released(this.name, partition);
    }
  }
}
