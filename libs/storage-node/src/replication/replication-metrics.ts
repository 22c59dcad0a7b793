import type { Counter, Meter } from '@moldau/kernel';
import type { Mismatch } from '@moldau/replication';
import type { Refusal } from './wire.ts';

/** What replication counts. Calls that are refused or break are counted by their server, with the reason. */
export class ReplicationMetrics {
  readonly #refused: (reason: Refusal) => Counter;
  readonly #nacked: (reason: Mismatch | 'left') => Counter;

  constructor(meter: Meter) {
    this.#refused = byReason(meter, 'refused_sessions_total', 'Sessions of followers that were refused or ended here');
    this.#nacked = byReason(
      meter,
      'nacks_total',
      'Sessions that this node left as a follower, or could not go on with',
    );
  }

  /** As a leader. */
  refused(reason: Refusal): void {
    this.#refused(reason).add();
  }

  /** As a follower. */
  nacked(reason: Mismatch | 'left'): void {
    this.#nacked(reason).add();
  }
}

/** One counter for each reason that occurs. */
function byReason<R extends string>(meter: Meter, name: string, help: string): (reason: R) => Counter {
  const counters = new Map<R, Counter>();
  return (reason) => {
    const counter = counters.get(reason) ?? meter.counter(`moldau_storage_node_${name}`, help, { reason });
    counters.set(reason, counter);
    return counter;
  };
}
