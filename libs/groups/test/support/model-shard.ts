import { assert, type Millis, type PartitionKey, partitionIndex, partitionKey, topicId } from '@moldau/kernel';
import {
  decodeRecord,
  encodeRecord,
  type Frame,
  type GroupOptions,
  type GroupRecord,
  GroupShard,
  type InstanceId,
  type Instant,
  memberId,
  type Reply,
  ShardState,
  type Step,
  TopicsView,
  type TopicView,
} from '../../src/index.ts';
import { group, MemberClient, type Sent, sessionTimeoutMs, type ToClient } from './member-client.ts';

/** The machines under test: the real ones, or such with a bug. */
export interface Machines {
  readonly GroupShard: typeof GroupShard;
  readonly ShardState: typeof ShardState;
}

/** A batch that is appended and not committed, and what waits for it. */
interface Pending {
  readonly records: readonly GroupRecord[];
  readonly frames: readonly Frame[];
  readonly reply: { readonly stream: number; readonly frame: ToClient } | undefined;
}

export const topicOf = (name: string, partitions: number): TopicView => ({
  id: topicId(name),
  name,
  partitions,
  racks: [],
});
export const keyOf = (topic: string, partition: number): PartitionKey =>
  partitionKey(topicId(topic), partitionIndex(partition));

/**
 * One group in one shard, its log, whoever owns it, and clients that behave. Whoever drives it says what happens next. After
 * every step it must hold what groups promise.
 */
export class ModelShard {
  readonly machines: Machines;
  readonly options: GroupOptions;
  readonly clients: MemberClient[] = [];
  topics: readonly TopicView[];
  now: Millis = 1_000_000;
  /** Batches that are committed. */
  readonly #log: (readonly GroupRecord[])[] = [];
  #pending: Pending[] = [];
  #live: ShardState;
  #shard: GroupShard;
  /** What the committed records say: the oracle's own copy. */
  readonly #committed: ShardState;
  #streams = 0;
  #said: string[] = [];
  isSeeking = false;

  constructor(
    topics: readonly TopicView[],
    options: Partial<GroupOptions> = {},
    machines: Machines = { GroupShard, ShardState },
  ) {
    this.machines = machines;
    this.options = {
      sessionTimeoutMs,
      assignmentIntervalMs: 0,
      offsetsRetentionMs: 3_600_000,
      membersMax: 100,
      ...options,
    };
    this.topics = topics;
    this.#committed = new machines.ShardState();
    this.#live = new machines.ShardState();
    this.#shard = this.#open();
  }

  get instant(): Instant {
    return { monotonicMs: this.now, wallMs: this.now };
  }
  get live(): ShardState {
    return this.#live;
  }
  get pending(): number {
    return this.#pending.length;
  }
  /** Those whose membership may go on. */
  get running(): readonly MemberClient[] {
    return this.clients.filter(({ over }) => over === undefined);
  }

  said(): readonly string[] {
    const said = this.#said;
    this.#said = [];
    return said;
  }

  join(name: string, topics: readonly string[], instance?: InstanceId): MemberClient {
    const times = this.clients.filter((client) => client.name === name).length;
    const client = new MemberClient(name, memberId(times === 0 ? name : `${name}${times + 1}`), instance, topics);
    this.clients.push(client);
    this.connect(client);
    return client;
  }

  connect(client: MemberClient): void {
    if (client.over !== undefined) return;
    this.#streams += 1;
    client.connect(this.#streams, this.now);
  }

  /** The oldest frame of a client arrives; with `twice` again. */
  deliver(client: MemberClient, twice = false): void {
    const sent = client.toServer.shift();
    if (sent === undefined) return;
    this.#arrive(client, sent);
    if (twice) this.#arrive(client, sent);
  }

  #arrive(client: MemberClient, { request, sentAt }: Sent): void {
    const { stream } = client;
    assert(stream !== undefined, 'frames come by streams');
    const step = this.step(request);
    const { reply } = step;
    const frame: ToClient =
      reply.kind === 'fenced' ? { kind: 'fenced', error: reply.error } : { kind: 'heard', sentAt };
    if (reply.kind === 'refused') this.#said.push(`${client.member}: refused ${reply.error.reason}`);
    if (reply.kind === 'committed') {
      for (const { partition, error } of reply.failures)
        this.#said.push(`${client.member}: ${partition} ${error.reason}`);
    }
    this.#append(step, { stream, frame });
  }

  /** Something that no client asks for. */
  ask(request: Parameters<GroupShard['step']>[0]): Reply {
    const step = this.step(request);
    this.#append(step);
    return step.reply;
  }

  step(request: Parameters<GroupShard['step']>[0]): Step {
    const before = new Map([...this.#members()].map(([member]) => [member, this.#phase(member)]));
    const step = this.#shard.step(request, this.instant);
    this.#checkLive(before);
    return step;
  }

  #append(step: Step, reply?: Pending['reply']): void {
    // What has no records and waits for nobody is there at once.
    this.#pending.push({ records: step.records, frames: step.frames, reply });
  }

  /** The oldest batch is committed, and what waits for it leaves. */
  commit(): void {
    const batch = this.#pending.shift();
    if (batch === undefined) return;
    this.#store(batch.records);
    // The reply to a frame that ends a membership is not to come before.
    for (const { stream, frame } of batch.frames) this.#send(stream, frame);
    if (batch.reply !== undefined) this.#send(batch.reply.stream, batch.reply.frame);
  }

  #send(stream: number, frame: ToClient): void {
    const client = this.clients.find((one) => one.stream === stream);
    client?.toClient.push(frame);
  }

  receive(client: MemberClient): void {
    const frame = client.toClient[0];
    if (frame === undefined || client.isPaused) return;
    if (this.#expires(client)) return;
    client.toClient.shift();
    if (frame.kind !== 'heard') this.#said.push(`${client.member}: ${sayFrame(frame)}`);
    client.receive(frame, this.now);
  }

  /** A client that looks at its clock, and finds that its session may be over, stops. */
  #expires(client: MemberClient): boolean {
    if (client.over !== undefined || client.worksAt(this.now)) return false;
    client.end('expired');
    this.#said.push(`${client.member}: stops by its own clock`);
    return true;
  }

  pass(ms: Millis): void {
    this.now += ms;
    for (const client of this.clients) if (!client.isPaused) this.#expires(client);
    this.tick();
  }

  tick(): void {
    const due = this.#shard.nextDeadlineMs;
    if (due !== undefined && due <= this.now) this.#append(this.step({ kind: 'tick' }));
  }

  wake(client: MemberClient): void {
    client.isPaused = false;
    this.#expires(client);
  }

  setTopics(topics: readonly TopicView[]): void {
    this.topics = topics;
    this.ask({ kind: 'topics-changed', topics: new TopicsView(topics) });
  }

  /** The owner is gone. `kept` batches that it had appended are committed, and nobody hears of it; the others never were. */
  move(kept: number, isCompacted = false): void {
    for (const { records } of this.#pending.slice(0, kept)) this.#store(records);
    this.#pending = [];
    for (const client of this.clients) client.disconnect();
    this.#live = isCompacted ? this.#replay(this.#compacted()) : this.#replay(this.#log.flat());
    this.#shard = this.#open();
    this.#checkLive(new Map());
  }

  #open(): GroupShard {
    return new this.machines.GroupShard(this.#live, new TopicsView(this.topics), this.options, this.instant);
  }

  #store(records: readonly GroupRecord[]): void {
    for (const record of records) this.#checkRecord(record);
    for (const record of records) this.#committed.apply(record);
    this.#log.push(records);
  }

  #compacted(): GroupRecord[] {
    const all = this.#log.flat().map((record) => ({ record, key: encodeRecord(record).key.join() }));
    const last = new Map(all.map(({ key }, at) => [key, at]));
    return all.filter(({ key }, at) => last.get(key) === at).map(({ record }) => record);
  }

  #replay(records: readonly GroupRecord[]): ShardState {
    const state = new this.machines.ShardState();
    for (const record of records) state.apply(decodeRecord(encodeRecord(record)));
    return state;
  }

  /** Whatever is on its way arrives, and nobody gives anything up yet. */
  flow(): void {
    for (const client of this.running) while (client.toServer.length > 0) this.deliver(client);
    while (this.#pending.length > 0) this.commit();
    for (const client of this.running) while (client.toClient.length > 0 && !client.isPaused) this.receive(client);
  }

  /** Streams are there again, frames arrive, batches are committed, and applications give up what they are asked to. */
  settle(without: ReadonlySet<MemberClient> = new Set()): void {
    for (let rounds = 0; rounds < 200; rounds += 1) {
      let isQuiet = true;
      for (const client of this.running) {
        if (without.has(client) || client.isPaused) continue;
        if (client.stream === undefined) this.connect(client);
        while (client.toServer.length > 0) this.deliver(client);
      }
      this.tick();
      while (this.#pending.length > 0) this.commit();
      for (const client of this.running) {
        if (without.has(client) || client.isPaused) continue;
        while (client.toClient.length > 0) {
          isQuiet = false;
          this.receive(client);
        }
        if (client.over === undefined && client.revoking.size > 0) client.release(this.now);
        if (client.toServer.length > 0) isQuiet = false;
        if (client.hasSentLeave && client.over === undefined && client.toServer.length === 0) client.end('left');
      }
      if (isQuiet) return;
    }
    throw new Error('it settles');
  }

  /** Replaying what was decided, whole or compacted, gives the live state. */
  checkReplay(): void {
    const undecided = this.#pending.flatMap(({ records }) => records);
    const live = dump(this.#live);
    assert(dump(this.#replay([...this.#log.flat(), ...undecided])) === live, 'replay equals the live state');
    if (undecided.length === 0) assert(dump(this.#replay(this.#compacted())) === live, 'so does compacted replay');
  }

  #members(): ReadonlyMap<string, unknown> {
    return this.#live.groups.get(group)?.members ?? new Map();
  }

  #phase(member: string): boolean {
    const holding = this.#live.groups.get(group)?.holding(memberId(member));
    return holding !== undefined && [...holding.held.values()].some(({ sentIn }) => sentIn !== holding.number);
  }

  /** One member works on a partition, and one possibly owns it. */
  check(): void {
    this.#checkLive(new Map());
  }

  #checkLive(before: ReadonlyMap<string, boolean>): void {
    const state = this.#live.groups.get(group);
    const owners = new Map<PartitionKey, string>();
    for (const member of state?.members.keys() ?? []) {
      for (const partition of state?.holding(member)?.held.keys() ?? []) {
        assert(!owners.has(partition), `${owners.get(partition)} and ${member} possibly own ${partition}`);
        owners.set(partition, member);
      }
    }
    for (const client of this.clients) {
      if (!client.worksAt(this.now)) continue;
      if (state?.members.has(client.member) === true) {
        for (const partition of client.owned.keys()) {
          assert(owners.get(partition) === client.member, `${client.member} works on ${partition}, and may not`);
        }
        continue;
      }
      if (!before.has(client.member) || client.hasSentLeave) continue;
      const successor = client.instance === undefined ? undefined : state?.instance(client.instance);
      const mayGo = before.get(client.member) === true || successor !== undefined;
      assert(mayGo || client.applied === undefined, `${client.member} was removed, and lives`);
    }
  }

  /** Of what is committed, epochs and offsets never go back. */
  #checkRecord(record: GroupRecord): void {
    const state = this.#committed.groups.get(record.group);
    if (state === undefined || record.value === undefined) return;
    if (record.kind === 'head') {
      assert(record.value.groupEpoch >= state.head.groupEpoch, 'the group epoch never goes back');
      assert(record.value.assignmentEpoch >= state.head.assignmentEpoch, 'the assignment epoch never goes back');
      assert(record.value.assignmentEpoch <= record.value.groupEpoch, 'an assignment is for an epoch that there is');
    }
    if (record.kind === 'holding') {
      const holding = state.holding(record.member);
      assert(holding === undefined || record.value.epoch >= holding.epoch, 'a member epoch never goes back');
      assert(holding === undefined || record.value.number >= holding.number, 'assignments are counted up');
      assert(record.value.epoch <= state.head.groupEpoch + 1, 'a member is not ahead of its group');
    }
    if (record.kind === 'offset' && !this.isSeeking) {
      const stored = state.offsets.get(record.partition);
      assert(
        stored === undefined || record.value.offset >= stored.offset,
        `what is committed in ${record.partition} goes back from ${stored?.offset} to ${record.value.offset}`,
      );
    }
  }
}

export function dump(state: ShardState): string {
  const lines = [...state.records()].map((record) => {
    const { key, value } = encodeRecord(canonical(record));
    return `${record.kind} ${key.join()} ${value?.join()}`;
  });
  return lines.sort().join('\n');
}

/** Sets and maps in one order: theirs says nothing. */
function canonical(record: GroupRecord): GroupRecord {
  if (record.kind === 'target' && record.value !== undefined)
    return { ...record, value: new Set([...record.value].sort()) };
  if (record.kind !== 'holding' || record.value === undefined) return record;
  const held = [...record.value.held].sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...record, value: { ...record.value, held: new Map(held) } };
}

export function sayFrame(frame: Exclude<ToClient, { readonly kind: 'heard' }> | Frame['frame']): string {
  if (frame.kind === 'fenced') return `fenced ${frame.error.reason}`;
  const list = (name: string, partitions: readonly PartitionKey[]): string =>
    partitions.length === 0 ? '' : ` ${name} ${[...partitions].sort().join(' ')}`;
  const assigned = frame.assigned
    .map(({ partition, committed }) => `${partition}${committed === undefined ? '' : `@${committed.offset}`}`)
    .sort();
  const assignedText = assigned.length === 0 ? ' nothing' : ` ${assigned.join(' ')}`;
  return `assignment ${frame.number} epoch ${frame.epoch}${assignedText}${list('revoke', frame.revoke)}${list('pending', frame.pending)}`;
}
