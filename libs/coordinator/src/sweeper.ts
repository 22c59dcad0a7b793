import {
  type CancelTimer,
  type Clock,
  type Logger,
  type Millis,
  repeat,
  type Timers,
  type TopicId,
} from '@moldau/kernel';
import type { StoreOp } from '@moldau/metadata';
import type { ImageKeeper } from './image-keeper.ts';
import type { StoreWriter } from './store-writer.ts';

const everyMs = 60_000;
const keysInOneTxn = 100;

/**
 * Removes what nobody sees any more: partitions of deleted topics and of creations that did not end, and tombstones that
 * are old enough and have no partition left. Forgetting to sweep costs space; it never sweeps what is visible, for each
 * transaction compares that the topic does not exist.
 */
export class Sweeper {
  readonly #ports: { clock: Clock; timers: Timers; logger: Logger };
  readonly #keeper: ImageKeeper;
  readonly #writer: StoreWriter;
  readonly #underway: ReadonlySet<TopicId>;
  readonly #graceMs: Millis;
  #cancel: CancelTimer | undefined;
  #sweeping: Promise<void> | undefined;

  constructor(
    ports: { clock: Clock; timers: Timers; logger: Logger },
    keeper: ImageKeeper,
    writer: StoreWriter,
    options: { underway: ReadonlySet<TopicId>; graceMs: Millis },
  ) {
    this.#ports = ports;
    this.#keeper = keeper;
    this.#writer = writer;
    this.#underway = options.underway;
    this.#graceMs = options.graceMs;
  }

  start(): void {
    this.#sweepNow();
    this.#cancel = repeat(this.#ports.timers, everyMs, () => this.#sweepNow());
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    await this.#sweeping;
  }

  #sweepNow(): void {
    if (this.#sweeping !== undefined) return;
    this.#sweeping = this.#sweep()
      .catch((error: unknown) => this.#ports.logger.warn('could not sweep: trying again later', { error }))
      .finally(() => {
        this.#sweeping = undefined;
      });
  }

  async #sweep(): Promise<void> {
    const { image } = this.#keeper;
    for (const id of image.topicsWithoutRecord()) {
      if (!this.#underway.has(id)) await this.#sweepPartitions(id);
    }
    const now = this.#ports.clock.wallMs();
    const left = new Set(image.topicsWithoutRecord());
    for (const [id, { deletedMs }] of image.tombstones) {
      if (left.has(id) || now - deletedMs < this.#graceMs) continue;
      await this.#delete(id, [image.keys.tombstone(id)]);
    }
  }

  /** Partition 0 first: a creation that is still on its way to the store compares it, and fails. */
  async #sweepPartitions(id: TopicId): Promise<void> {
    const { image } = this.#keeper;
    const indexes = [...image.storedPartitions(id)].map(({ index }) => index).sort((a, b) => a - b);
    for (let from = 0; from < indexes.length; from += keysInOneTxn) {
      const keys = indexes.slice(from, from + keysInOneTxn).map((index) => image.keys.partition(id, index));
      if (!(await this.#delete(id, keys))) return;
    }
    this.#ports.logger.info('swept the partitions of a topic that is gone', { id, partitions: indexes.length });
  }

  /** False: the topic exists after all. */
  async #delete(topic: TopicId, keys: readonly string[]): Promise<boolean> {
    const result = await this.#writer.commit({
      compares: [{ key: this.#keeper.image.keys.topic(topic), modRevision: 0n }],
      ops: () => keys.map((key): StoreOp => ({ kind: 'delete', key })),
    });
    return result.kind === 'committed';
  }
}
