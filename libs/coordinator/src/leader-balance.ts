import {
  type CancelTimer,
  type Clock,
  type Millis,
  type NodeId,
  type PartitionKey,
  partitionKey,
  repeat,
  type Timers,
} from '@moldau/kernel';
import type { PartitionRef } from '@moldau/metadata';
import type { ImageKeeper } from './image-keeper.ts';

/** A replica that was in sync for so long is there to stay. */
const settledMs: Millis = 30_000;
const roundEveryMs: Millis = 5_000;
/** Leaders that move in one round: clients look for all of them anew. */
const movesMax = 50;

/**
 * Gives the leadership back to the preferred replica, the first of each partition: else whatever restarts leads nothing
 * any more, and the last node to restart leads everything.
 */
export class LeaderBalance {
  readonly #ports: { clock: Clock; timers: Timers };
  readonly #keeper: ImageKeeper;
  readonly #isDiskFull: (node: NodeId) => boolean;
  /** Partitions that another replica leads while the preferred one is in sync, and since when that is so. */
  readonly #astray = new Map<PartitionKey, { readonly ref: PartitionRef; readonly since: Millis }>();
  #cancel: CancelTimer = () => {};
  #ignore: () => void = () => {};

  /** `isDiskFull`: a node that would give back at once what it is given. */
  constructor(ports: { clock: Clock; timers: Timers }, keeper: ImageKeeper, isDiskFull: (node: NodeId) => boolean) {
    this.#ports = ports;
    this.#keeper = keeper;
    this.#isDiskFull = isDiskFull;
  }

  /** `prefer`: the preferred replica of this partition may lead it now. */
  start(prefer: (partition: PartitionRef) => void): void {
    const { image } = this.#keeper;
    for (const topic of image.topics()) for (const partition of image.partitionsOf(topic)) this.#note(partition);
    this.#ignore = this.#keeper.onChange(({ partitions }) => {
      for (const ref of partitions.values()) this.#note(ref);
    });
    this.#cancel = repeat(this.#ports.timers, roundEveryMs, () => {
      for (const ref of this.#due().slice(0, movesMax)) prefer(ref);
    });
  }

  stop(): void {
    this.#cancel();
    this.#ignore();
  }

  #note({ topic, index }: PartitionRef): void {
    const key = partitionKey(topic, index);
    const state = this.#keeper.image.partition({ topic, index })?.state;
    const preferred = state?.replicas[0];
    const isAstray =
      state?.leader !== undefined && state.leader !== preferred && state.isr.some(({ node }) => node === preferred);
    if (!isAstray) this.#astray.delete(key);
    else if (!this.#astray.has(key)) {
      this.#astray.set(key, { ref: { topic, index }, since: this.#ports.clock.monotonicMs() });
    }
  }

  #due(): PartitionRef[] {
    const { image } = this.#keeper;
    const settledSince = this.#ports.clock.monotonicMs() - settledMs;
    const stays = new Set(
      image.nodes().flatMap(({ id, condition }) => (condition.draining || this.#isDiskFull(id) ? [] : [id])),
    );
    return [...this.#astray.values()].flatMap(({ ref, since }) => {
      const preferred = image.partition(ref)?.state.replicas[0];
      return since <= settledSince && preferred !== undefined && stays.has(preferred) ? [ref] : [];
    });
  }
}
