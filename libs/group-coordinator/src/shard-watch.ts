import {
  type Commit,
  type GroupId,
  type GroupRecord,
  type GroupState,
  isSettled,
  type Reply,
  type Request,
  type ShardState,
} from '@moldau/groups';
import type { Clock, Millis } from '@moldau/kernel';
import type { GroupMetrics } from './group-metrics.ts';

const noGroups: ReadonlyMap<GroupId, GroupState> = new Map();

/**
 * Looks on at one shard under one owner, and counts what happens there. It sees what is decided, which may be ahead of what is
 * committed, and changes nothing.
 */
export class ShardWatch {
  readonly #clock: Clock;
  readonly #metrics: GroupMetrics;
  /** By group: the last epoch for which targets were made. */
  readonly #epochs = new Map<GroupId, number>();
  /** Groups of which some member does not have its target yet, and since when, in monotonic time. */
  readonly #unsettled = new Map<GroupId, Millis>();
  #state: ShardState | undefined;

  constructor(clock: Clock, metrics: GroupMetrics) {
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /** Empty before it is loaded. */
  get groups(): ReadonlyMap<GroupId, GroupState> {
    return this.#state?.groups ?? noGroups;
  }

  /** How many all groups have. */
  get members(): number {
    let count = 0;
    for (const { members } of this.groups.values()) count += members.size;
    return count;
  }

  /** All that the log says is in this state, which the machine changes from now on. */
  loaded(state: ShardState): void {
    this.#state = state;
    for (const { id, head } of state.groups.values()) this.#epochs.set(id, head.assignmentEpoch);
  }

  /** A request was answered, and the state has changed by these records. */
  stepped(request: Request, records: readonly GroupRecord[], reply: Reply): void {
    if (request.kind === 'commit') this.#commit(request, reply);
    for (const record of records) if (record.kind === 'head') this.#headChanged(record.group);
  }

  /** Those that are settled by now took until now. */
  look(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [id, sinceMs] of this.#unsettled) {
      const group = this.groups.get(id);
      if (group !== undefined && !isSettled(group)) continue;
      this.#unsettled.delete(id);
      if (group !== undefined && group.members.size > 0) this.#metrics.rebalanceEnded(nowMs - sinceMs);
    }
  }

  #commit({ offsets }: Commit, reply: Reply): void {
    const failures =
      reply.kind === 'committed' ? reply.failures : 'error' in reply ? offsets.map(() => ({ error: reply.error })) : [];
    this.#metrics.committed(offsets.length - failures.length);
    this.#metrics.refused(failures);
  }

  #headChanged(id: GroupId): void {
    const group = this.groups.get(id);
    if (group === undefined) {
      this.#epochs.delete(id);
      return;
    }
    const { assignmentEpoch } = group.head;
    if (assignmentEpoch === (this.#epochs.get(id) ?? 0)) return;
    this.#epochs.set(id, assignmentEpoch);
    if (group.members.size === 0) return;
    this.#metrics.rebalanceBegan();
    // One that comes upon another makes it longer.
    if (!this.#unsettled.has(id)) this.#unsettled.set(id, this.#clock.monotonicMs());
  }
}
