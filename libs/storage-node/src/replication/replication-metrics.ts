import { type CancelTimer, type Counter, type Gauge, type Meter, repeat, type Timers } from '@moldau/kernel';
import type { Mismatch } from '@moldau/replication';
import type { Partitions } from '../partitions.ts';
import { type Counts, count } from './partition-counts.ts';
import type { Refusal } from './wire.ts';

const lookEveryMs = 1_000;

const gauges: Readonly<Record<keyof Counts, string>> = {
  led: 'Partitions that this node leads',
  followed: 'Partitions that this node follows',
  underReplicated: 'Partitions led here of which a replica is not in sync',
  belowMinInSync: 'Partitions led here that take no append for want of replicas in sync',
  offline: 'Partitions here of which no leader is known',
  damaged: 'Copies that were found damaged and are not whole again',
};

/** What replication counts. Calls that are refused or break are counted by their server, with the reason. */
export class ReplicationMetrics {
  readonly #sent: Counter;
  readonly #received: Counter;
  readonly #shrinks: Counter;
  readonly #expands: Counter;
  readonly #counts: Readonly<Record<keyof Counts, Gauge>>;
  readonly #lag: Gauge;
  readonly #streams: Readonly<Record<'in' | 'out', Gauge>>;
  readonly #refused: (reason: Refusal) => Counter;
  readonly #nacked: (reason: Mismatch | 'left') => Counter;

  constructor(meter: Meter) {
    const bytes = (way: string): Counter =>
      meter.counter('moldau_storage_node_replicated_bytes_total', 'Bytes of batches between nodes', { way });
    [this.#sent, this.#received] = [bytes('out'), bytes('in')];
    const changes = (way: string): Counter =>
      meter.counter('moldau_storage_node_isr_changes_total', 'Replicas that left or joined those in sync', { way });
    [this.#shrinks, this.#expands] = [changes('shrink'), changes('expand')];
    const gauge = (kind: keyof Counts): Gauge =>
      meter.gauge(`moldau_storage_node_${snake(kind)}_partitions`, gauges[kind]);
    this.#counts = {
      led: gauge('led'),
      followed: gauge('followed'),
      underReplicated: gauge('underReplicated'),
      belowMinInSync: gauge('belowMinInSync'),
      offline: gauge('offline'),
      damaged: gauge('damaged'),
    };
    const lagHelp = 'Offsets that the replica farthest behind a leader here lacks';
    this.#lag = meter.gauge('moldau_storage_node_follower_lag_max_offsets', lagHelp);
    const streams = (way: string): Gauge =>
      meter.gauge('moldau_storage_node_replication_streams', 'Streams from followers and to leaders', { way });
    this.#streams = { in: streams('in'), out: streams('out') };
    this.#refused = byReason(meter, 'refused_sessions_total', 'Sessions of followers that were refused or ended here');
    this.#nacked = byReason(
      meter,
      'nacks_total',
      'Sessions that this node left as a follower, or could not go on with',
    );
  }

  /** Batches that went out to followers. */
  sent(bytes: number): void {
    this.#sent.add(bytes);
  }

  /** Batches that came from leaders. */
  received(bytes: number): void {
    this.#received.add(bytes);
  }

  /** Who is in sync has changed, as this leader has heard. */
  isrChanged(before: number, after: number): void {
    if (after < before) this.#shrinks.add(before - after);
    if (after > before) this.#expands.add(after - before);
  }

  /** Looks every second, until the returned function is called. `streams`: to followers and to leaders. */
  watch(timers: Timers, partitions: Partitions, streams: () => Readonly<Record<'in' | 'out', number>>): CancelTimer {
    const look = (): void => {
      const { lagOffsets, ...counts } = count(partitions);
      for (const [kind, value] of Object.entries(counts)) this.#counts[kind as keyof Counts].set(value);
      this.#lag.set(lagOffsets);
      const open = streams();
      this.#streams.in.set(open.in);
      this.#streams.out.set(open.out);
    };
    return repeat(timers, lookEveryMs, look);
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

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** One counter for each reason that occurs. */
function byReason<R extends string>(meter: Meter, name: string, help: string): (reason: R) => Counter {
  const counters = new Map<R, Counter>();
  return (reason) => {
    const counter = counters.get(reason) ?? meter.counter(`moldau_storage_node_${name}`, help, { reason });
    counters.set(reason, counter);
    return counter;
  };
}
