import { type Millis, offset, type PartitionKey } from '@moldau/kernel';
import {
  type Assignment,
  groupId,
  type InstanceId,
  type MemberId,
  type NewOffset,
  type Request,
} from '../../src/index.ts';

export const group = groupId('g');
export const sessionTimeoutMs = 6_000;

/** What a coordinator says to a client. `heard`: answers a frame that was sent at that time. */
export type ToClient =
  | Assignment
  | { readonly kind: 'fenced'; readonly error: { readonly reason: string; readonly message: string } }
  | { readonly kind: 'heard'; readonly sentAt: Millis };

export interface Sent {
  readonly request: Request;
  readonly sentAt: Millis;
}

/** A member as clients are to behave: it owns what it was given until it gave that up, was fenced, or its session may be over. */
export class MemberClient {
  readonly name: string;
  readonly member: MemberId;
  readonly instance: InstanceId | undefined;
  topics: readonly string[];
  /** What it works on, and where it is. */
  readonly owned = new Map<PartitionKey, bigint>();
  /** To be given up. */
  readonly revoking = new Set<PartitionKey>();
  stream: number | undefined;
  toServer: Sent[] = [];
  toClient: ToClient[] = [];
  isPaused = false;
  /** The membership is over: why. */
  over: 'fenced' | 'expired' | 'left' | 'killed' | undefined;
  hasSentLeave = false;
  epoch: number | undefined;
  applied: number | undefined;
  /** By its own clock: it stops before. */
  sessionEndsAt: Millis = Number.NEGATIVE_INFINITY;
  /** When it said Hello on its stream: whatever comes on it answers that. */
  #greetedAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(name: string, member: MemberId, instance: InstanceId | undefined, topics: readonly string[]) {
    this.name = name;
    this.member = member;
    this.instance = instance;
    this.topics = topics;
  }

  /** True while it may work on what it owns. */
  worksAt(now: Millis): boolean {
    return this.over === undefined && (this.applied === undefined || now < this.sessionEndsAt);
  }

  send(request: Request, now: Millis): void {
    if (this.stream !== undefined) this.toServer.push({ request, sentAt: now });
  }

  connect(stream: number, now: Millis): void {
    this.stream = stream;
    this.#greetedAt = now;
    this.toServer = [];
    this.toClient = [];
    this.send(
      {
        kind: 'hello',
        group,
        member: this.member,
        stream,
        instance: this.instance,
        rack: '',
        topics: this.topics,
        regex: undefined,
        assignor: undefined,
        rebalanceTimeoutMs: 10_000,
        owned: [...this.owned.keys()],
        lastMemberEpoch: this.epoch,
        lastAssignment: this.applied,
      },
      now,
    );
  }

  disconnect(): void {
    this.stream = undefined;
    this.toServer = [];
    this.toClient = [];
  }

  end(why: NonNullable<MemberClient['over']>): void {
    this.over = why;
    this.owned.clear();
    this.revoking.clear();
    this.disconnect();
  }

  receive(frame: ToClient, now: Millis): void {
    const heardAt = frame.kind === 'heard' ? frame.sentAt : this.#greetedAt;
    this.sessionEndsAt = Math.max(this.sessionEndsAt, heardAt + sessionTimeoutMs);
    if (frame.kind === 'heard') return;
    if (frame.kind === 'fenced') this.end('fenced');
    else this.#apply(frame, now);
  }

  #apply({ number, epoch, assigned, revoke }: Assignment, now: Millis): void {
    if (this.applied !== undefined && number < this.applied) throw new Error(`${this.name}: assignments never go back`);
    if (this.epoch !== undefined && epoch < this.epoch) throw new Error(`${this.name}: its epoch went back`);
    this.applied = number;
    this.epoch = epoch;
    for (const { partition, committed } of assigned) {
      if (!this.owned.has(partition)) this.owned.set(partition, committed?.offset ?? 0n);
    }
    for (const partition of revoke) if (this.owned.has(partition)) this.revoking.add(partition);
    if (this.revoking.size === 0) this.ack(now);
  }

  ack(now: Millis): void {
    this.#ack([...this.owned.keys()], now);
  }

  /** Without saying what it owns. */
  ackUnchanged(now: Millis): void {
    this.#ack(undefined, now);
  }

  #ack(owned: readonly PartitionKey[] | undefined, now: Millis): void {
    if (this.applied === undefined || this.stream === undefined) return;
    const { stream, member, applied: assignment } = this;
    this.send({ kind: 'ack', group, member, stream, assignment, owned }, now);
  }

  /** The application gave up what it was asked to: commits it a last time, and says so. */
  release(now: Millis): void {
    this.commit([...this.revoking], now);
    for (const partition of this.revoking) this.owned.delete(partition);
    this.revoking.clear();
    this.ack(now);
  }

  process(now: Millis): void {
    if (!this.worksAt(now)) return;
    for (const [partition, at] of this.owned) this.owned.set(partition, at + 1n);
  }

  commit(partitions: readonly PartitionKey[], now: Millis): void {
    const { stream, member, epoch } = this;
    if (epoch === undefined || partitions.length === 0) return;
    const offsets = partitions.map((partition): NewOffset => {
      return { partition, offset: offset(this.owned.get(partition) ?? 0n), leaderEpoch: undefined, metadata: '' };
    });
    this.send({ kind: 'commit', group, by: { member, epoch, stream }, offsets }, now);
  }

  ping(now: Millis): void {
    const { stream, member } = this;
    if (stream !== undefined) this.send({ kind: 'heard', group, member, stream }, now);
  }

  leave(comingBack: boolean, now: Millis): void {
    const { stream, member } = this;
    if (stream === undefined) return;
    this.owned.clear();
    this.revoking.clear();
    this.hasSentLeave = true;
    this.send({ kind: 'leave', group, member, stream, comingBack }, now);
  }
}
