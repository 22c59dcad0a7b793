import {
  type CancelTimer,
  type Counter,
  type Histogram,
  type Meter,
  type Millis,
  type MoldauError,
  repeat,
  type Timers,
} from '@moldau/kernel';
import type { OwnedShards } from './owned-shards.ts';

const lookEveryMs: Millis = 1_000;
const rebalanceBuckets = [1, 2, 5, 10, 30, 60, 120, 300, 600];

/** What a group coordinator counts of itself. Lag is apart: see {@link LagSeries}. */
export class GroupMetrics {
  readonly #meter: Meter;
  readonly #commits = new Map<string, Counter>();
  readonly #moves: Readonly<Record<'in' | 'out', Counter>>;
  readonly #rebalances: Counter;
  readonly #rebalanceSeconds: Histogram;

  constructor(meter: Meter) {
    this.#meter = meter;
    const moves = (way: 'in' | 'out'): Counter =>
      meter.counter('moldau_group_coordinator_shard_moves_total', 'Shards that this process got, or had no more', {
        way,
      });
    this.#moves = { in: moves('in'), out: moves('out') };
    this.#rebalances = meter.counter(
      'moldau_group_coordinator_rebalances_total',
      'Times that the partitions of a group were shared out anew among its members',
    );
    this.#rebalanceSeconds = meter.histogram(
      'moldau_group_coordinator_rebalance_seconds',
      'From the moment when the partitions of a group were shared out anew until every member had its own; to the second',
      rebalanceBuckets,
    );
    this.#commit('OK');
  }

  moved(way: 'in' | 'out'): void {
    this.#moves[way].add();
  }

  /** So many positions are committed, unless the shard is lost right then: whoever asked is told so. */
  committed(positions: number): void {
    this.#commit('OK').add(positions);
  }

  /** One error a position. */
  refused(positions: readonly { readonly error: MoldauError }[]): void {
    for (const { error } of positions) this.#commit(error.reason).add();
  }

  rebalanceBegan(): void {
    this.#rebalances.add();
  }

  rebalanceEnded(tookMs: Millis): void {
    this.#rebalanceSeconds.observe(tookMs / 1_000);
  }

  /** Looks every second, until the returned function is called. */
  watch(timers: Timers, shards: OwnedShards): CancelTimer {
    const states = (state: string) =>
      this.#meter.gauge('moldau_group_coordinator_shards', 'Shards that this process has', { state });
    const [served, loading] = [states('served'), states('loading')];
    const groups = this.#meter.gauge('moldau_group_coordinator_groups', 'Groups in the shards that are served');
    const members = this.#meter.gauge(
      'moldau_group_coordinator_members',
      'Members of the groups in the shards that are served',
    );
    const look = (): void => {
      const serving = shards.serving();
      served.set(serving.length);
      loading.set(shards.loading().length);
      groups.set(serving.reduce((sum, { watch }) => sum + watch.groups.size, 0));
      members.set(serving.reduce((sum, { watch }) => sum + watch.members, 0));
      for (const { watch } of serving) watch.look();
    };
    look();
    return repeat(timers, lookEveryMs, look);
  }

  #commit(reason: string): Counter {
    let counter = this.#commits.get(reason);
    if (counter === undefined) {
      const help = 'Positions that were to be committed, and what came of it';
      counter = this.#meter.counter('moldau_group_coordinator_commits_total', help, { reason });
      this.#commits.set(reason, counter);
    }
    return counter;
  }
}
