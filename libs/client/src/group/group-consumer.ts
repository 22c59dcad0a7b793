import { type CancelTimer, faults, type Millis, MoldauError, repeat, sleep } from '@moldau/kernel';
import type { StoredRecord } from '@moldau/records';
import type { Admin } from '../admin.ts';
import { type BatchesOptions, checkedBatches } from '../batches-options.ts';
import type { ClientPorts } from '../client-ports.ts';
import { orText } from '../codec.ts';
import type { TopicPartition } from '../consumer.ts';
import type { FetchSource } from '../fetch-source.ts';
import { checkPlace, type Place } from '../place.ts';
import type { Producer, ProducerOptions } from '../producer.ts';
import { Reader } from '../reader.ts';
import { RecordFeed } from '../record-feed.ts';
import type { ConsumedRecord } from '../records-of.ts';
import type { AssignedPartition, InHand } from './assigned-partition.ts';
import { AssignedPartitions } from './assigned-partitions.ts';
import { Committer } from './committer.ts';
import { type GroupEvent, GroupEvents, type GroupListener } from './group-events.ts';
import { type GroupConsumerOptions, type GroupSettings, groupSettings } from './group-options.ts';
import { committedBy, lagOf, type PartitionLag } from './group-positions.ts';
import { type RunOptions, runGroup, type Taken } from './group-run.ts';
import { MemberSession } from './member-session.ts';

/** A record that a member of a group was given. */
export interface GroupRecord<K, V> extends ConsumedRecord<K, V> {
  /** Aborted when its partition is to be given up, or is lost: what is done with it may be done elsewhere, too. */
  readonly signal: AbortSignal;
}

/** Records that came together. Never empty. */
export interface GroupBatch<K, V> {
  readonly records: readonly GroupRecord<K, V>[];
  /** Commits them, and what came before. Throws what keeps one of their partitions from it. */
  commit(): Promise<void>;
}

/** What a loop has, and has not asked on behind. */
interface Handed {
  readonly assigned: AssignedPartition;
  readonly record: InHand;
}

/** A last commit that is not answered in this time keeps nobody from the partition. */
const lastCommitMs: Millis = 5_000;
/** Whoever waits for itself is told after this. */
const closeHintMs: Millis = 1_000;
/** A coordinator that does not answer a leave learns of it by the end of the session. */
const leaveMs: Millis = 2_000;

/**
 * A member of a group: reads the partitions that it is given, one loop at a time. A record is done when the loop asks for the
 * next one; what is done is committed every few seconds, before a partition is given up, and on `close`. Whoever leaves a loop
 * leaves what it has in hand undone: that comes again.
 */
export class GroupConsumer<K = string, V = string> implements AsyncDisposable, AsyncIterable<GroupRecord<K, V>> {
  readonly #ports: ClientPorts;
  readonly #settings: GroupSettings;
  readonly #admin: Admin;
  readonly #producer: (options: ProducerOptions<Uint8Array, Uint8Array>) => Producer<Uint8Array, Uint8Array>;
  readonly #reader: Reader;
  readonly #feed: RecordFeed;
  readonly #events: GroupEvents;
  readonly #assigned: AssignedPartitions;
  readonly #session: MemberSession;
  readonly #committer: Committer;
  readonly #cancelCommits: CancelTimer;
  readonly #decode: (taken: Taken) => GroupRecord<K, V>;
  readonly #make: (source: FetchSource, record: StoredRecord) => GroupRecord<K, V>;
  #inHand: Handed[] = [];
  #failure: MoldauError | undefined;
  #isRead = false;
  #closing: Promise<void> | undefined;

  constructor(
    ports: ClientPorts,
    options: GroupConsumerOptions<K, V>,
    admin: Admin,
    producer: (options: ProducerOptions<Uint8Array, Uint8Array>) => Producer<Uint8Array, Uint8Array>,
  ) {
    this.#settings = groupSettings(options);
    const { member, from, bufferBytes, commitEveryMs } = this.#settings;
    this.#ports = ports;
    this.#admin = admin;
    this.#producer = producer;
    this.#reader = new Reader(ports, bufferBytes, { isEndless: true, tolerates: isGone });
    this.#feed = new RecordFeed(this.#reader, ports.timers);
    this.#events = new GroupEvents(ports.logger);
    const parts = { ports, reader: this.#reader, feed: this.#feed, events: this.#events, from };
    this.#assigned = new AssignedPartitions(parts);
    this.#session = new MemberSession(ports, member, {
      assigned: (granted) => {
        this.#assigned.begin(granted).catch((error: unknown) => this.#fail(error));
      },
      revoked: (keys) => this.#giveUp(this.#assigned.stop(keys)),
      lost: (keys, error) => this.#lose(this.#assigned.stop(keys), error),
      failed: (error) => this.#fail(error),
    });
    this.#committer = new Committer(member.group, ports, this.#session, this.#assigned);
    const [key, value] = [orText(options.key), orText(options.value)];
    // In one piece, and not `consumedRecord` with a signal added: an object less for each record.
    this.#decode = ({ assigned, stored }) => ({
      topic: assigned.topic,
      partition: assigned.partition,
      offset: stored.offset,
      timestampMs: stored.timestampMs,
      key: stored.key === null ? null : key.decode(stored.key),
      value: stored.value === null ? null : value.decode(stored.value),
      headers: stored.headers,
      signal: assigned.signal,
    });
    this.#make = (source, stored) => {
      const taken = this.#taken(source, stored);
      this.#inHand.push({ assigned: taken.assigned, record: taken.assigned.take(stored.offset) });
      return this.#decode(taken);
    };
    this.#cancelCommits =
      commitEveryMs === undefined
        ? () => {}
        : repeat(ports.timers, commitEveryMs, () => void this.#committer.commitUnheard());
    ports.reading.add(this);
    this.#session.start();
  }

  get group(): string {
    return this.#settings.member.group;
  }

  /** Another one after each membership that was lost. */
  get memberId(): string {
    return this.#session.memberId;
  }

  /** What it has now. */
  get assignment(): readonly TopicPartition[] {
    return [...this.#assigned].map(({ topic, partition }) => ({ topic, partition }));
  }

  /** By hand and not as a generator, whose three promises a record would cost more than the record. */
  [Symbol.asyncIterator](): AsyncIterableIterator<GroupRecord<K, V>, undefined> {
    this.#enter();
    let isLeft = false;
    const leave = (): void => {
      if (!isLeft) this.#leave();
      isLeft = true;
    };
    const failed = (error: unknown): never => {
      leave();
      throw error;
    };
    const settled = (value: GroupRecord<K, V> | undefined): IteratorResult<GroupRecord<K, V>, undefined> => {
      if (value !== undefined) return { done: false, value };
      leave();
      return { done: true, value };
    };
    return {
      next: () => {
        if (isLeft) return Promise.resolve({ done: true, value: undefined });
        try {
          this.#finishInHand();
          const value = this.#next();
          if (value !== undefined) return Promise.resolve({ done: false, value });
          return this.#nextLater().then(settled, failed);
        } catch (error) {
          leave();
          return Promise.reject(error);
        }
      },
      return: () => {
        leave();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** The same, by the handful: they are done when the next ones are asked for, or when they are committed. */
  async *batches(options: BatchesOptions = {}): AsyncGenerator<GroupBatch<K, V>> {
    const { maxRecords, maxWaitMs } = checkedBatches(options);
    this.#enter();
    try {
      for (;;) {
        this.#finishInHand();
        const first = await this.#nextLater();
        if (first === undefined) return;
        const records = [first];
        const failure = await this.#feed.fillUp(records, this.#make, maxRecords, maxWaitMs);
        this.#session.look();
        // One that could not be decoded is the last in hand, and not among the records: it is never done.
        const taken = this.#inHand.slice(0, records.length);
        // What was lost while it was being filled is somebody else's.
        const isOurs = ({ assigned }: Handed): boolean => assigned.overWith === undefined;
        const given = records.filter((_, index) => {
          const one = taken[index];
          return one !== undefined && isOurs(one);
        });
        const handed = taken.filter(isOurs);
        this.#inHand = handed;
        if (given.length > 0) yield { records: given, commit: () => this.#commitBatch(handed) };
        if (failure === undefined) continue;
        // What came before the one that can't be given is given first.
        this.#finishInHand();
        throw failure.error;
      }
    } finally {
      this.#leave();
    }
  }

  /**
   * Handles every record, several at once, until the consumer is closed or the signal aborted; rejects with what a handler
   * ends with, when it is neither to be tried again nor put aside. In the order of each partition, or of each key.
   */
  async run(options: RunOptions, handle: (record: GroupRecord<K, V>, signal: AbortSignal) => unknown): Promise<void> {
    if (typeof handle !== 'function')
      throw faults.invalidRequest('handle', 'is no function: give options, then a handler');
    this.#enter();
    try {
      const run = {
        group: this.group,
        take: (signal: AbortSignal) => this.#takeLater(signal),
        decode: this.#decode,
        producer: this.#producer,
        ports: this.#ports,
      };
      await runGroup(run, options, handle);
    } finally {
      this.#leave();
    }
  }

  /** Calls back until the returned function is called. */
  on(event: GroupEvent, listener: GroupListener): () => void {
    return this.#events.on(event, listener);
  }

  /**
   * Commits all that is done; or exactly these positions, whatever is handed out. Waits for a coordinator that is away, as long as
   * the session lasts. Throws {@link CommitFailed}, of a commit in the background too, and what else keeps it from being committed.
   */
  async commit(positions?: readonly (TopicPartition & { readonly offset: bigint })[]): Promise<void> {
    const exactly = positions?.map((at) => {
      if (typeof at.offset !== 'bigint' || at.offset < 0n)
        throw faults.invalidRequest('offset', `is ${at.offset}: give a bigint from 0n on`);
      return { assigned: this.#of(at), offset: at.offset };
    });
    const unheard = this.#committer.unheard();
    await this.#committer.commit(exactly);
    if (unheard !== undefined) throw unheard;
  }

  /** What the group has committed, of the partitions of this member. */
  committed(): Promise<readonly (TopicPartition & { readonly offset: bigint | undefined })[]> {
    return committedBy(this.group, [...this.#assigned], this.#ports);
  }

  /** How far this member is behind what its partitions hold, on each of them. Throws UNREACHABLE. */
  lag(): Promise<readonly PartitionLag[]> {
    return lagOf([...this.#assigned], this.#admin);
  }

  /** Goes on elsewhere; what was read ahead is dropped, and what was handed out before is not committed. */
  seek(at: TopicPartition, to: Place): void {
    checkPlace('to', to);
    const assigned = this.#of(at);
    assigned.sought();
    this.#assigned.seek(assigned, to);
  }

  /** Stops fetching a partition, for as long as the member has it. What was read ahead still comes. */
  pause(at: TopicPartition): void {
    this.#reader.pause(this.#of(at).source);
  }

  resume(at: TopicPartition): void {
    this.#reader.resume(this.#of(at).source);
  }

  /** True when everything that is committed to the logs of its partitions has been given out. False while it has none. */
  get isAtEnd(): boolean {
    return this.#assigned.size > 0 && this.#feed.isEmpty && this.#reader.isAtEnd;
  }

  /** Memory for what was fetched and not asked for: `buffer` at most, and a batch of each node more. */
  get bufferedBytes(): number {
    return this.#reader.bufferedBytes;
  }

  /**
   * Ends every loop, waits for what is being handled as long as for a partition that is given up, commits what is done, and leaves
   * the group. Inside a loop, leave that first. Throws as `commit` does.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { reading, timers, logger } = this.#ports;
    this.#cancelCommits();
    const leaving = this.#assigned.stopAll();
    const cancelHint = timers.after(closeHintMs, () => {
      const problem = 'close waits for records in hand: inside a loop or a handler, leave that first';
      if (leaving.some((one) => one.isHeld)) logger.warn(problem, { group: this.group });
    });
    await this.#giveUp(leaving);
    cancelHint();
    this.#reader.close();
    reading.delete(this);
    await this.#session.leave(this.#settings.member.instanceId !== undefined, leaveMs);
    const unheard = this.#committer.unheard();
    if (unheard !== undefined) throw unheard;
  }

  #enter(): void {
    if (this.#isRead) {
      const problem = 'is the second one: a consumer has one at a time, end the other first';
      throw faults.invalidRequest('loop', problem);
    }
    this.#isRead = true;
  }

  /** What was handed out and is not done comes again: to the next loop, if nobody else has the partition by then. */
  #leave(): void {
    this.#isRead = false;
    this.#inHand = [];
    for (const assigned of this.#assigned) {
      const from = assigned.rewind();
      if (from !== undefined && !assigned.signal.aborted) this.#assigned.seek(assigned, { offset: from });
    }
  }

  #finishInHand(): void {
    if (this.#inHand.length === 0) return;
    for (const { assigned, record } of this.#inHand) assigned.finish(record);
    this.#inHand = [];
  }

  #taken(source: FetchSource, stored: StoredRecord): Taken {
    const assigned = this.#assigned.of(source);
    if (assigned === undefined) throw new MoldauError('INTERNAL', `${source.name} is read, and is nobody's`);
    return { assigned, stored };
  }

  /** Nothing is given out behind the end of a session, however long whoever asks has slept. */
  #next(): GroupRecord<K, V> | undefined {
    this.#session.look();
    return this.#feed.take(this.#make);
  }

  /** The same, when there is one. `undefined`: there will be none any more. */
  async #nextLater(): Promise<GroupRecord<K, V> | undefined> {
    for (;;) {
      const record = this.#next();
      if (record !== undefined) return record;
      if (!(await this.#arrived())) return undefined;
    }
  }

  async #takeLater(signal: AbortSignal): Promise<Taken | undefined> {
    for (;;) {
      if (signal.aborted) return undefined;
      this.#session.look();
      const taken = this.#feed.take((source, stored) => this.#taken(source, stored));
      if (taken !== undefined) return taken;
      if (!(await this.#arrived(signal))) return undefined;
    }
  }

  /** Resolves when there may be something to take. False: there will be nothing any more, or the signal was aborted. */
  async #arrived(signal?: AbortSignal): Promise<boolean> {
    if (await this.#reader.arrived(signal)) return true;
    if (this.#failure !== undefined) throw this.#failure;
    return false;
  }

  async #giveUp(leaving: readonly AssignedPartition[]): Promise<void> {
    const { timers } = this.#ports;
    for (const one of leaving) one.revoke();
    const worked = async (): Promise<void> => {
      await Promise.all([this.#events.tell('revoked', leaving), ...leaving.map((one) => one.idle())]);
      // What somebody wants to be committed, and waits for.
      await this.#committer.idle();
    };
    await within(timers, this.#settings.revokeTimeoutMs, worked());
    const isManual = this.#settings.commitEveryMs === undefined;
    if (!isManual) await within(timers, lastCommitMs, this.#committer.commitUnheard());
    this.#assigned.forget(leaving);
  }

  #lose(lost: readonly AssignedPartition[], error: MoldauError): void {
    this.#assigned.forget(lost, error);
    void this.#events.tell('lost', lost);
  }

  #fail(cause: unknown): void {
    this.#failure = cause instanceof MoldauError ? cause : new MoldauError('INTERNAL', String(cause), {}, { cause });
    this.#cancelCommits();
    this.#reader.close();
  }

  async #commitBatch(handed: readonly Handed[]): Promise<void> {
    for (const { assigned, record } of handed) assigned.finish(record);
    this.#session.look();
    await this.commit();
    // Another commit may have been asked for it, and has told its own caller.
    for (const { assigned, record } of handed) {
      const error = assigned.whyNotCommitted(record.offset + 1n);
      if (error !== undefined) throw error;
    }
  }

  #of(at: TopicPartition): AssignedPartition {
    for (const one of this.#assigned) if (one.topic === at.topic && one.partition === at.partition) return one;
    throw new MoldauError('INVALID_REQUEST', `${at.topic}/${at.partition} is not assigned to this member now`, {
      field: 'partition',
      problem: 'is not assigned',
    });
  }
}

/** Whoever coordinates the group will take it away: no reason to stop reading the others. */
const isGone = ({ reason }: MoldauError): boolean => reason === 'UNKNOWN_TOPIC' || reason === 'UNKNOWN_PARTITION';

/** Waits for what does not reject, but not for longer. */
async function within(timers: ClientPorts['timers'], ms: Millis, promise: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, sleep(timers, ms, over.signal).catch(() => {})]);
  over.abort();
}
