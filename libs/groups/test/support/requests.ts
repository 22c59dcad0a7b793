import { offset, type PartitionKey } from '@moldau/kernel';
import {
  type Ack,
  type Commit,
  type Frame,
  type GroupOptions,
  type GroupRecord,
  GroupShard,
  type Hello,
  memberId,
  type NewOffset,
  type Request,
  ShardState,
  type Step,
  TopicsView,
} from '../../src/index.ts';
import { group } from './member-client.ts';
import { keyOf, sayFrame, topicOf } from './model-shard.ts';

// Requests of tests without clients. Streams have the number of their member.
export const a = memberId('a');
export const b = memberId('b');
const streams: Readonly<Record<string, number>> = { a: 1, b: 2, c: 3 };
export const streamOf = (member: string): number => streams[member] ?? 9;

export const hello = (member = a, given: Partial<Hello> = {}): Hello => ({
  kind: 'hello',
  group,
  member,
  stream: streamOf(member),
  instance: undefined,
  rack: '',
  topics: ['t'],
  regex: undefined,
  assignor: undefined,
  rebalanceTimeoutMs: 10_000,
  owned: undefined,
  lastMemberEpoch: undefined,
  lastAssignment: undefined,
  ...given,
});
export const ack = (member: typeof a, assignment: number, owned?: readonly PartitionKey[]): Ack => ({
  kind: 'ack',
  group,
  member,
  stream: streamOf(member),
  assignment,
  owned,
});
export const at = (partition: PartitionKey, value: number): NewOffset => ({
  partition,
  offset: offset(value),
  leaderEpoch: undefined,
  metadata: '',
});
export const commit = (member: typeof a | undefined, epoch: number, ...offsets: readonly NewOffset[]): Commit => ({
  kind: 'commit',
  group,
  by: member === undefined ? undefined : { member, epoch, stream: undefined },
  offsets,
});

/** A shard with one topic of two partitions, `t`. */
export class World {
  readonly state = new ShardState();
  readonly shard: GroupShard;
  now = 1_000_000;
  /** Of the last step. */
  last: Step = { records: [], reply: { kind: 'done' }, frames: [] };

  constructor(options: Partial<GroupOptions> = {}) {
    const whole = {
      sessionTimeoutMs: 6_000,
      assignmentIntervalMs: 0,
      offsetsRetentionMs: 100_000,
      membersMax: 3,
      ...options,
    };
    this.shard = new GroupShard(this.state, new TopicsView([topicOf('t', 2)]), whole, this.#instant);
  }

  get #instant() {
    return { monotonicMs: this.now, wallMs: this.now };
  }

  /** Carries them out, and is itself. */
  after(...requests: readonly Request[]): this {
    for (const request of requests) this.last = this.shard.step(request, this.#instant);
    return this;
  }

  wait(ms: number): this {
    this.now += ms;
    return this.after({ kind: 'tick' });
  }

  /** What a request leads to: the reply, the frames, and the kinds of records. */
  say(request: Request): string {
    return sayStep(this.after(request).last);
  }
}

const nameOf = (stream: number): string =>
  Object.keys(streams).find((name) => streams[name] === stream) ?? String(stream);
const sayOne = ({ stream, frame }: Frame): string => `${nameOf(stream)}: ${sayFrame(frame)}`;
const sayRecord = (record: GroupRecord): string => `${record.value === undefined ? '-' : '+'}${record.kind}`;

export function sayStep({ reply, frames, records }: Step): string {
  const said = 'error' in reply ? `${reply.kind} ${reply.error.reason}` : reply.kind;
  const failed = reply.kind === 'committed' ? reply.failures.map(({ error }) => error.reason) : [];
  const kinds = records.length === 0 ? [] : [[...new Set(records.map(sayRecord))].sort().join(' ')];
  return [[said, ...failed].join(' '), ...frames.map(sayOne).sort(), ...kinds].join('; ');
}

export const t0 = keyOf('t', 0);
export const t1 = keyOf('t', 1);
export { group } from './member-client.ts';
