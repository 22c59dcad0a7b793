import {
  type CancelTimer,
  type Clock,
  type Millis,
  type PartitionKey,
  partitionKey,
  repeat,
  type Timers,
} from '@moldau/kernel';
import type { PartitionImage, PartitionRef } from '@moldau/metadata';

const lookEveryMs: Millis = 1_000;

/**
 * How long partitions have been without a leader, in this term: for them alone, time decides. They are looked at again now
 * and then, for nothing else may happen that would remind of them.
 */
export class Leaderless {
  readonly #ports: { clock: Clock; timers: Timers };
  readonly #patienceMs: Millis;
  readonly #since = new Map<PartitionKey, { readonly ref: PartitionRef; readonly at: Millis }>();
  #cancel: CancelTimer = () => {};

  /** `patienceMs`: how long one waits for replicas that may be about to come back. */
  constructor(ports: { clock: Clock; timers: Timers }, patienceMs: Millis) {
    this.#ports = ports;
    this.#patienceMs = patienceMs;
  }

  start(lookAgain: (partition: PartitionRef) => void): void {
    this.#cancel = repeat(this.#ports.timers, lookEveryMs, () => {
      for (const { ref } of this.#since.values()) lookAgain(ref);
    });
  }

  stop(): void {
    this.#cancel();
  }

  /** Has seen the partition as it is now, or that it is gone. */
  note(key: PartitionKey, partition: PartitionImage | undefined): void {
    if (partition === undefined || partition.state.leader !== undefined) this.#since.delete(key);
    else if (!this.#since.has(key)) this.#since.set(key, { ref: partition, at: this.#ports.clock.monotonicMs() });
  }

  /** Whether its replicas still have time to come back. One that has a leader has not begun to wait. */
  awaitsReplicas({ topic, index }: PartitionRef): boolean {
    const since = this.#since.get(partitionKey(topic, index));
    return since === undefined || this.isRecent(since.at);
  }

  isRecent(at: Millis): boolean {
    return this.#ports.clock.monotonicMs() - at < this.#patienceMs;
  }
}
