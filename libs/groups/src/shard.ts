import { assert, faults, type Millis, MoldauError, type TopicId } from '@moldau/kernel';
import type { GroupRecord } from './group-records.ts';
import type { GroupState, ShardState } from './group-state.ts';
import { isRevoking, noHolding } from './holdings.ts';
import type { GroupId, Instant } from './ids.ts';
import { type GroupOptions, limits } from './limits.ts';
import { LiveGroup } from './live-group.ts';
import { expireMembers, onMember } from './membership.ts';
import { expireOffsets, forgetTopic, onCommit, onDelete, onSeek } from './offsets.ts';
import { describe, listGroups, readOffsets } from './reading.ts';
import type { Frame, GroupRequest, Reply, Request, Step } from './requests.ts';
import { Subscriptions } from './subscriptions.ts';
import type { TopicsView } from './topics.ts';
import { Turn } from './turn.ts';

/** A tick, and a forgotten topic, end when they have led to this many records, or to shares as large: the next one goes on. */
const recordsAtOnce = 1_000;

/**
 * The groups of one shard, for as long as one owner has it. SPEC.md has the rules. Mutable, for it sees every commit;
 * synchronous, and what it decides are the records, the reply and the frames that it returns. A crash of the owner loses
 * nothing that matters: the next one begins with the state that the records give.
 */
export class GroupShard {
  readonly #state: ShardState;
  readonly #options: GroupOptions;
  readonly #live = new Map<GroupId, LiveGroup>();
  #subscriptions: Subscriptions;
  /** Nothing is due before. */
  #wakeAt: Millis = Number.POSITIVE_INFINITY;

  /** `state`: what the committed records of the shard say. Everybody in it gets a full session. `topics`: all that there are. */
  constructor(state: ShardState, topics: TopicsView, options: GroupOptions, now: Instant) {
    assert(options.sessionTimeoutMs >= limits.sessionTimeoutMsMin, 'sessions are not shorter than they may be');
    this.#state = state;
    this.#options = options;
    this.#subscriptions = new Subscriptions(topics);
    for (const group of state.groups.values()) this.#live.set(group.id, this.#takeOver(group, now));
    this.#staleTopics(now);
  }

  /** When a tick is due, in monotonic time. `undefined`: no time. */
  get nextDeadlineMs(): Millis | undefined {
    return this.#wakeAt === Number.POSITIVE_INFINITY ? undefined : this.#wakeAt;
  }

  step(request: Request, now: Instant): Step {
    switch (request.kind) {
      case 'tick':
        return this.#tick(now);
      case 'topics-changed':
        this.#subscriptions = new Subscriptions(request.topics);
        this.#staleTopics(now);
        return { records: [], reply: { kind: 'done' }, frames: [] };
      case 'topic-deleted':
        return this.#forget(request.topic, now);
      case 'list':
        return { records: [], reply: listGroups(this.#state, request.after, request.limit), frames: [] };
      case 'hello':
      case 'ack':
      case 'update':
      case 'heard':
      case 'leave':
      case 'commit':
      case 'seek':
      case 'delete':
      case 'describe':
      case 'get-offsets':
        return this.#answer(request, now);
    }
  }

  #answer(request: GroupRequest, now: Instant): Step {
    if (makesGroup(request) && !this.#state.groups.has(request.group) && this.#state.groups.size >= limits.groupsMax)
      return {
        records: [],
        reply: { kind: 'refused', error: faults.shardFull('groups', limits.groupsMax) },
        frames: [],
      };
    let reply: Reply = { kind: 'done' };
    const { records, frames } = this.#turn(request.group, now, (turn) => {
      reply = answer(turn, request);
    });
    return { records, reply, frames };
  }

  #takeOver(group: GroupState, now: Instant): LiveGroup {
    const live = new LiveGroup();
    for (const [member, { rebalanceTimeoutMs }] of group.members) {
      const endsAt = now.monotonicMs + this.#options.sessionTimeoutMs;
      const mustRevoke = isRevoking(group.holding(member) ?? noHolding);
      const rebalanceEndsAt = mustRevoke ? now.monotonicMs + rebalanceTimeoutMs : undefined;
      live.sessions.set(member, { stream: undefined, endsAt, rebalanceEndsAt });
    }
    return live;
  }

  /** Every group is looked at in the ticks that follow. */
  #staleTopics(now: Instant): void {
    for (const live of this.#live.values()) {
      live.hasStaleTopics = true;
      live.wakeBy(now.monotonicMs);
    }
    if (this.#live.size > 0) this.#wakeAt = now.monotonicMs;
  }

  #turn(id: GroupId, now: Instant, act: (turn: Turn) => void): Pick<Step, 'records' | 'frames'> {
    const group = this.#state.open(id);
    const live = this.#live.get(id) ?? new LiveGroup();
    const turn = new Turn({ group, live, subscriptions: this.#subscriptions, options: this.#options, now });
    act(turn);
    const finished = turn.finish();
    this.#state.close(group);
    if (group.isGone) this.#live.delete(id);
    else this.#live.set(id, live);
    this.#wakeAt = Math.min(this.#wakeAt, live.wakeAt);
    return finished;
  }

  #tick(now: Instant): Step {
    const records: GroupRecord[] = [];
    const frames: Frame[] = [];
    let weight = 0;
    if (now.monotonicMs >= this.#wakeAt) {
      for (const [id, live] of this.#live) {
        if (live.wakeAt > now.monotonicMs || weight >= recordsAtOnce) continue;
        const turned = this.#turn(id, now, (turn) => onTick(turn));
        for (const record of turned.records) {
          records.push(record);
          weight += weightOf(record);
        }
        frames.push(...turned.frames);
      }
      this.#wakeAt = Number.POSITIVE_INFINITY;
      for (const { wakeAt } of this.#live.values()) this.#wakeAt = Math.min(this.#wakeAt, wakeAt);
    }
    return { records, reply: { kind: 'done' }, frames };
  }

  #forget(topic: TopicId, now: Instant): Step {
    const records: GroupRecord[] = [];
    const frames: Frame[] = [];
    for (const id of [...this.#live.keys()]) {
      const left = recordsAtOnce - records.length;
      let more = false;
      const turned = this.#turn(id, now, (turn) => {
        more = forgetTopic(turn, topic, left);
      });
      records.push(...turned.records);
      frames.push(...turned.frames);
      if (more) return { records, reply: { kind: 'forgotten', more }, frames };
    }
    return { records, reply: { kind: 'forgotten', more: false }, frames };
  }
}

/** Whether it makes a group that is not there. */
function makesGroup(request: GroupRequest): boolean {
  if (request.kind === 'hello') return request.lastMemberEpoch === undefined;
  if (request.kind === 'commit') return request.by === undefined;
  return request.kind === 'seek';
}

/** A refusal that is thrown comes before the first record. */
function answer(turn: Turn, request: GroupRequest): Reply {
  try {
    return act(turn, request);
  } catch (error) {
    if (!(error instanceof MoldauError)) throw error;
    assert(!turn.hasRecords, 'what is refused changes nothing');
    return { kind: 'refused', error };
  }
}

function act(turn: Turn, request: GroupRequest): Reply {
  switch (request.kind) {
    case 'commit':
      return onCommit(turn, request);
    case 'seek':
      return onSeek(turn, request);
    case 'delete':
      return onDelete(turn, request.validateOnly);
    case 'describe':
      return describe(turn.group);
    case 'get-offsets':
      return readOffsets(turn.group, request.partitions);
    case 'hello':
    case 'ack':
    case 'update':
    case 'heard':
    case 'leave':
      return onMember(turn, request);
  }
}

/** All that is due in one group. What stays says when it is. */
function onTick(turn: Turn): void {
  const { live, group } = turn;
  live.wakeAt = Number.POSITIVE_INFINITY;
  expireMembers(turn);
  for (const { endsAt, rebalanceEndsAt } of live.sessions.values()) {
    live.wakeBy(Math.min(endsAt, rebalanceEndsAt ?? endsAt));
  }
  if (live.hasStaleTopics) {
    live.hasStaleTopics = false;
    if (group.members.size > 0 && turn.fingerprint() !== group.head.topics) turn.needEpoch();
  }
  expireOffsets(turn, recordsAtOnce);
}

/** A share grows with its partitions. */
function weightOf(record: GroupRecord): number {
  if (record.kind === 'target') return 1 + (record.value?.size ?? 0);
  return record.kind === 'holding' ? 1 + (record.value?.held.size ?? 0) : 1;
}
