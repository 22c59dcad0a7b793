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
import type { ReplicaReports } from './elections.ts';

const lookEveryMs: Millis = 1_000;

/** `at`: since when it has no leader. `until`: when there is nothing more to wait for; then one last look is due. */
type Waiting = { readonly ref: PartitionRef; readonly at: Millis; until: Millis | undefined };

/**
 * How long partitions have been without a leader, in this term: for them alone, time decides. They are looked at again
 * until theirs is up, for nothing else may happen that would remind of them.
 */
export class Leaderless {
  readonly #ports: { clock: Clock; timers: Timers };
  readonly #reports: ReplicaReports;
  readonly #patienceMs: Millis;
  readonly #waiting = new Map<PartitionKey, Waiting>();
  #cancel: CancelTimer = () => {};

  /** `patienceMs`: how long one waits for replicas that may be about to come back. */
  constructor(ports: { clock: Clock; timers: Timers }, reports: ReplicaReports, patienceMs: Millis) {
    this.#ports = ports;
    this.#reports = reports;
    this.#patienceMs = patienceMs;
  }

  start(lookAgain: (partition: PartitionRef) => void): void {
    this.#cancel = repeat(this.#ports.timers, lookEveryMs, () => {
      const now = this.#ports.clock.monotonicMs();
      for (const waiting of this.#waiting.values()) {
        if (waiting.until === undefined) continue;
        if (waiting.until <= now) waiting.until = undefined;
        lookAgain(waiting.ref);
      }
    });
  }

  stop(): void {
    this.#cancel();
  }

  /** Has seen the partition as it is now, or that it is gone. */
  note(key: PartitionKey, partition: PartitionImage | undefined): void {
    if (partition === undefined || partition.state.leader !== undefined) {
      this.#waiting.delete(key);
      return;
    }
    const now = this.#ports.clock.monotonicMs();
    const at = this.#waiting.get(key)?.at ?? now;
    const until = Math.max(at, this.#firstHeardAt(partition) ?? at) + this.#patienceMs;
    this.#waiting.set(key, { ref: partition, at, until: until > now ? until : undefined });
  }

  /** Whether more of its eligible replicas may be about to report: the first of them did a moment ago. */
  awaitsEligible(partition: PartitionImage): boolean {
    const firstAt = this.#firstHeardAt(partition);
    return firstAt !== undefined && this.#isRecent(firstAt);
  }

  /** Whether its replicas still have time to come back. One that has a leader has not begun to wait. */
  awaitsReplicas({ topic, index }: PartitionRef): boolean {
    const waiting = this.#waiting.get(partitionKey(topic, index));
    return waiting === undefined || this.#isRecent(waiting.at);
  }

  #isRecent(at: Millis): boolean {
    return this.#ports.clock.monotonicMs() - at < this.#patienceMs;
  }

  #firstHeardAt({ topic, index, state }: PartitionImage): Millis | undefined {
    const eligible = [...state.elr, ...state.isr.map(({ node }) => node)];
    const key = partitionKey(topic, index);
    const heard = eligible.flatMap((node) => this.#reports.reportedAt(node, key) ?? []);
    return heard.length === 0 ? undefined : Math.min(...heard);
  }
}
