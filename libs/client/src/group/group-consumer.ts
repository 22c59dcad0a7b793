import { faults, Gate, MoldauError, repeat, sleep } from '@moldau/kernel';
import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import type { StoredRecord } from '@moldau/records';
import { fromWireError } from '@moldau/rpc';
import type { Admin } from '../admin.ts';
import type { ClientPorts } from '../client-ports.ts';
import { type Codec, orText } from '../codec.ts';
import type { BatchesOptions, TopicPartition } from '../consumer.ts';
import { FetchedRecords } from '../fetched-batches.ts';
import { checkPlace, type Place } from '../place.ts';
import type { Producer, ProducerOptions } from '../producer.ts';
import { toMs } from '../quantities.ts';
import { Reader } from '../reader.ts';
import { type ConsumedRecord, consumedRecord } from '../records-of.ts';
import { AssignedPartition, type InHand } from './assigned-partition.ts';
import { GroupCoordinators } from './group-coordinators.ts';
import { type GroupConsumerOptions, type GroupSettings, groupSettings } from './group-options.ts';
import { type GroupRun, type RunOptions, runGroup } from './group-run.ts';
import { MemberSession, type NewCommit } from './member-session.ts';
import { type Given, type GroupPartition, nameOf } from './membership.ts';

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

/** What a member is told of its partitions. */
export interface PartitionsChanged {
  readonly partitions: readonly TopicPartition[];
}

/**
 * `assigned`: partitions are the member's; `revoked`: they are to be given up, and are when all listeners have resolved;
 * `lost`: others may have them already.
 */
export type GroupEvent = 'assigned' | 'revoked' | 'lost';
type Listener = (changed: PartitionsChanged) => unknown;

/** How far a group is behind, on one partition of this member. */
export interface PartitionLag extends TopicPartition {
  /** Records between this member's position, or the log start where that is above it, and the end. */
  readonly records: bigint;
}

/** A record before it is decoded. */
export interface Taken {
  readonly assigned: AssignedPartition;
  readonly stored: StoredRecord;
}

/**
 * A member of a group: reads the partitions that it is given, one loop at a time. A record is done when the loop asks for the
 * next one; what is done is committed every few seconds, before a partition is given up, and on `close`.
 */
export class GroupConsumer<K = string, V = string> implements AsyncDisposable, AsyncIterable<GroupRecord<K, V>> {
  readonly #ports: ClientPorts;
  readonly #settings: GroupSettings;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;
  readonly #reader: Reader;
  readonly #session: MemberSession;
  readonly #admin: Admin;
  readonly #producer: (options: ProducerOptions<Uint8Array, Uint8Array>) => Producer<Uint8Array, Uint8Array>;
  /** By the name that groups have for them. */
  readonly #assigned = new Map<string, AssignedPartition>();
  readonly #bySource = new Map<object, AssignedPartition>();
  readonly #listeners: Record<GroupEvent, Set<Listener>> = { assigned: new Set(), revoked: new Set(), lost: new Set() };
  readonly #changed = new Gate();
  readonly #cancelCommits: () => void;
  /** What is being given out. */
  #open: { readonly assigned: AssignedPartition; readonly records: FetchedRecords } | undefined;
  /** What the loop has, and has not asked on behind. */
  #inHand: { readonly assigned: AssignedPartition; readonly record: InHand }[] = [];
  #committing: Promise<void> | undefined;
  /** Commits that somebody has asked for and waits for. */
  #askedFor = 0;
  /** Of a commit that nobody waited for. */
  #unheard: MoldauError | undefined;
  #failure: MoldauError | undefined;
  #loops = 0;
  #isClosed = false;

  constructor(
    ports: ClientPorts,
    options: GroupConsumerOptions<K, V>,
    admin: Admin,
    producer: (options: ProducerOptions<Uint8Array, Uint8Array>) => Producer<Uint8Array, Uint8Array>,
  ) {
    this.#admin = admin;
    this.#ports = ports;
    this.#settings = groupSettings(options);
    this.#key = orText(options.key);
    this.#value = orText(options.value);
    this.#producer = producer;
    this.#reader = new Reader(ports, this.#settings.bufferBytes);
    const { member, commitEveryMs } = this.#settings;
    this.#session = new MemberSession(member, ports, {
      assigned: (partitions) => this.#take(partitions),
      revoked: (partitions) => this.#giveUp(partitions),
      lost: (partitions, error) => this.#lose(partitions, error),
      failed: (error) => this.#fail(error),
    });
    this.#cancelCommits =
      commitEveryMs === undefined ? () => {} : repeat(ports.timers, commitEveryMs, () => this.#commitSoon());
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
    return [...this.#assigned.values()].map(({ topic, partition }) => ({ topic, partition }));
  }

  /** By hand and not as a generator, whose three promises a record would cost more than the record. */
  [Symbol.asyncIterator](): AsyncIterableIterator<GroupRecord<K, V>, undefined> {
    this.#enter();
    let isLeft = false;
    const leave = (): void => {
      if (!isLeft) this.#leave();
      isLeft = true;
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
          return value === undefined ? this.#nextLater().then(settled) : Promise.resolve({ done: false, value });
        } catch (error) {
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

  /** The same, by the handful. */
  async *batches({ maxRecords = 500, maxWait = '200ms' }: BatchesOptions = {}): AsyncGenerator<GroupBatch<K, V>> {
    this.#enter();
    try {
      for (;;) {
        this.#finishInHand();
        const first = await this.#nextLater();
        if (first === undefined) return;
        const records = [first];
        const failure = await this.#fillUp(records, maxRecords, toMs(maxWait));
        const inHand = this.#inHand;
        yield { records, commit: () => this.#commitBatch(inHand) };
        // What came before the one that can't be given is given first.
        if (failure !== undefined) throw failure.error;
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
    this.#enter();
    const run: GroupRun<K, V> = {
      group: this.group,
      take: (signal) => this.#takeLater(signal),
      decode: (taken) => this.#decode(taken),
      producer: this.#producer,
      ports: this.#ports,
    };
    try {
      await runGroup(run, options, handle);
    } finally {
      this.#leave();
    }
  }

  /** Calls back until the returned function is called. */
  on(event: GroupEvent, listener: (changed: PartitionsChanged) => unknown): () => void {
    this.#listeners[event].add(listener);
    return () => this.#listeners[event].delete(listener);
  }

  /**
   * Commits all that is done; or exactly these positions, whatever is handed out. Throws what a commit in the background failed
   * with, and what keeps a partition from being committed.
   */
  async commit(positions?: readonly (TopicPartition & { readonly offset: bigint })[]): Promise<void> {
    const unheard = this.#unheard;
    this.#unheard = undefined;
    if (positions === undefined) await this.#commitAsked();
    else await this.#commitExactly(positions);
    if (unheard !== undefined) throw unheard;
  }

  async #commitExactly(positions: readonly (TopicPartition & { readonly offset: bigint })[]): Promise<void> {
    this.#askedFor += 1;
    try {
      const offsets = positions.map((at) => {
        const { topicId, partition } = this.#of(at);
        return { topicId, partition, offset: at.offset };
      });
      const [failure] = await this.#session.commit(offsets);
      if (failure?.error !== undefined) throw fromWireError(failure.error);
    } finally {
      this.#askedFor -= 1;
      this.#changed.open();
    }
  }

  /** What the group has committed, of the partitions of this member. */
  async committed(): Promise<readonly (TopicPartition & { readonly offset: bigint | undefined })[]> {
    const assigned = [...this.#assigned.values()];
    const partitions = assigned.map(({ topicId, partition }) => ({ topicId, partition }));
    if (partitions.length === 0) return [];
    const { group } = this;
    const { offsets } = await new GroupCoordinators(this.#ports).call(group, (channel, timeoutMs) =>
      channel.unary(GroupService.method.getOffsets, { group, partitions }, { timeoutMs }),
    );
    const found = new Map(
      offsets.flatMap(({ partition, offset }) => (partition === undefined ? [] : [[nameOf(partition), offset]])),
    );
    return assigned.map((one) => ({
      topic: one.topic,
      partition: one.partition,
      offset: found.get(nameOf(one)) as bigint | undefined,
    }));
  }

  /** How far this member is behind what its partitions hold, on each of them. Throws UNREACHABLE. */
  async lag(): Promise<readonly PartitionLag[]> {
    const lags: PartitionLag[] = [];
    for (const topic of new Set(this.assignment.map((one) => one.topic))) {
      const partitions = this.assignment.filter((one) => one.topic === topic).map(({ partition }) => partition);
      const ends = await this.#admin.listOffsets(topic, 'end', partitions);
      const starts = await this.#admin.listOffsets(topic, 'start', partitions);
      for (const [index, { partition, offset = 0n }] of ends.entries()) {
        const assigned = [...this.#assigned.values()].find((one) => one.topic === topic && one.partition === partition);
        const start = starts[index]?.offset ?? 0n;
        const position = assigned?.position ?? assigned?.source.next ?? start;
        const from = position > start ? position : start;
        if (assigned !== undefined) lags.push({ topic, partition, records: offset > from ? offset - from : 0n });
      }
    }
    return lags;
  }

  /** Goes on elsewhere; what was read ahead is dropped. What is handed out is committed from there. */
  seek(at: TopicPartition, to: Place): void {
    checkPlace('to', to);
    const assigned = this.#of(at);
    if (this.#open?.assigned === assigned) this.#open = undefined;
    this.#inHand = this.#inHand.filter((one) => one.assigned !== assigned);
    assigned.sought();
    this.#reader.seek(assigned.source, to);
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
    const isOpen = this.#open !== undefined && !this.#open.records.isEmpty;
    return !isOpen && this.#assigned.size > 0 && this.#reader.isAtEnd;
  }

  /** Ends every loop, waits for what is being handled, commits what is done, and leaves the group. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelCommits();
    this.#changed.open();
    const all = [...this.#assigned.values()];
    // Handlers of `run` end by themselves; of a loop nobody may come to ask for the next one.
    await this.#giveUp(all);
    this.#reader.close();
    await this.#session.close({ comingBack: this.#settings.isStatic });
    const unheard = this.#unheard;
    this.#unheard = undefined;
    if (unheard !== undefined) throw unheard;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #enter(): void {
    if (this.#loops > 0) {
      throw new MoldauError('INVALID_REQUEST', 'this consumer is being read already: one loop at a time', {
        field: 'loop',
        problem: 'is the second one',
      });
    }
    this.#loops += 1;
  }

  /** What the loop had in hand is not done, unless the next one asks on. */
  #leave(): void {
    this.#loops -= 1;
    for (const { assigned, record } of this.#inHand) assigned.skip(record);
  }

  #finishInHand(): void {
    if (this.#inHand.length === 0) return;
    for (const { assigned, record } of this.#inHand) assigned.finish(record);
    this.#inHand = [];
  }

  /** The next record of what is here. `undefined`: that has been given out. Throws what a codec throws, and CORRUPT_BATCH. */
  #next(): GroupRecord<K, V> | undefined {
    const taken = this.#takeNow();
    if (taken === undefined) return undefined;
    const { assigned, stored } = taken;
    this.#inHand.push({ assigned, record: assigned.take(stored.offset) });
    return this.#decode(taken);
  }

  /** The same, when there is one. `undefined`: there will be none any more. */
  async #nextLater(): Promise<GroupRecord<K, V> | undefined> {
    for (;;) {
      const record = this.#next();
      if (record !== undefined) return record;
      if (!(await this.#arrived())) return undefined;
    }
  }

  #decode({ assigned, stored }: Taken): GroupRecord<K, V> {
    return Object.assign(consumedRecord(assigned.source, stored, this.#key, this.#value), { signal: assigned.signal });
  }

  /** Nothing is given out behind the end of a session, however long whoever asks has slept. */
  #takeNow(): Taken | undefined {
    if (this.#isClosed || this.#failure !== undefined || !this.#session.isAlive()) return undefined;
    for (;;) {
      const open = this.#open;
      const stored = open?.records.next();
      if (open !== undefined && stored !== undefined) return { assigned: open.assigned, stored };
      const fetched = this.#reader.take();
      const assigned = fetched && this.#bySource.get(fetched.source);
      this.#open = assigned && fetched && { assigned, records: new FetchedRecords(fetched) };
      if (fetched === undefined) return undefined;
    }
  }

  async #takeLater(signal: AbortSignal): Promise<Taken | undefined> {
    for (;;) {
      if (signal.aborted) return undefined;
      const taken = this.#takeNow();
      if (taken !== undefined) return taken;
      if (!(await this.#arrived(signal))) return undefined;
    }
  }

  /** Resolves when there may be something to take. False: there will be nothing any more, or the signal was aborted. */
  async #arrived(signal?: AbortSignal): Promise<boolean> {
    const wake = (): void => this.#changed.open();
    for (;;) {
      if (await this.#reader.arrived(signal)) return true;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isClosed || signal?.aborted === true) return false;
      // It has no partition now.
      signal?.addEventListener('abort', wake, { once: true });
      if (this.#assigned.size === 0) await this.#changed.wait();
      signal?.removeEventListener('abort', wake);
    }
  }

  /** Adds what comes within the time. Returns why the next one can't be given, if that is so. */
  async #fillUp(
    records: GroupRecord<K, V>[],
    maxRecords: number,
    maxWaitMs: number,
  ): Promise<{ readonly error: unknown } | undefined> {
    const waited = new AbortController();
    let cancel: (() => void) | undefined;
    try {
      while (records.length < maxRecords) {
        const record = this.#next();
        if (record !== undefined) records.push(record);
        else {
          cancel ??= this.#ports.timers.after(maxWaitMs, () => waited.abort());
          if (!(await this.#arrived(waited.signal))) return undefined;
        }
      }
      return undefined;
    } catch (error) {
      return { error };
    } finally {
      cancel?.();
    }
  }

  #take(partitions: readonly Given[]): void {
    void this.#begin(partitions).catch((error: unknown) => this.#fail(error));
  }

  /** Reads them, once their names are known. */
  async #begin(partitions: readonly Given[]): Promise<void> {
    const { metadata, timeoutMs } = this.#ports;
    const added: AssignedPartition[] = [];
    for (const given of partitions) {
      const { name } = await this.#insist(() => metadata.topicById(given.topicId, timeoutMs));
      added.push(new AssignedPartition(given, name, given.offset, this.#settings.from));
    }
    // It may have been lost meanwhile, or be about to be given up.
    const wanted = added.filter((one) => this.#session.owns(one));
    for (const one of wanted) {
      this.#assigned.set(nameOf(one), one);
      this.#bySource.set(one.source, one);
    }
    await this.#tell('assigned', wanted);
    for (const one of wanted) if (this.#assigned.get(nameOf(one)) === one) this.#reader.add(one.source);
    this.#changed.open();
  }

  /** A topic that was just made may be unknown where we ask. */
  async #insist<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const mayPass = error instanceof MoldauError && (error.retriable || error.reason === 'UNKNOWN_TOPIC');
        if (!mayPass || this.#isClosed) throw error;
      }
      await sleep(this.#ports.timers, namesAgainMs);
    }
  }

  async #giveUp(partitions: readonly GroupPartition[]): Promise<void> {
    const { timers } = this.#ports;
    const leaving = partitions.flatMap((one) => this.#assigned.get(nameOf(one)) ?? []);
    for (const one of leaving) {
      one.revoke();
      this.#stopReading(one);
    }
    const late = new AbortController();
    const cancel = timers.after(this.#settings.revokeTimeoutMs, () => late.abort());
    const isLate = new Promise<void>((resolve) => late.signal.addEventListener('abort', () => resolve()));
    const worked = async (): Promise<void> => {
      await Promise.all([this.#tell('revoked', leaving), ...leaving.map((one) => one.idle())]);
      while (this.#askedFor > 0 && !late.signal.aborted) await this.#changed.wait();
    };
    await Promise.race([worked(), isLate]);
    cancel();
    if (this.#settings.commitEveryMs !== undefined) {
      await Promise.race([
        this.#commitDone().catch((error: unknown) => this.#notHeard(error)),
        sleep(timers, lastCommitMs),
      ]);
    }
    for (const one of leaving) {
      one.end();
      this.#assigned.delete(nameOf(one));
    }
    this.#inHand = this.#inHand.filter(({ assigned }) => assigned.overWith === undefined);
  }

  #lose(partitions: readonly GroupPartition[], error: MoldauError): void {
    const lost = partitions.flatMap((one) => this.#assigned.get(nameOf(one)) ?? []);
    for (const one of lost) {
      one.end(error);
      this.#stopReading(one);
      this.#assigned.delete(nameOf(one));
    }
    this.#inHand = this.#inHand.filter(({ assigned }) => assigned.overWith === undefined);
    if (lost.length > 0) void this.#tell('lost', lost);
  }

  #stopReading(one: AssignedPartition): void {
    if (this.#open?.assigned === one) this.#open = undefined;
    this.#bySource.delete(one.source);
    this.#reader.remove(one.source);
  }

  #fail(cause: unknown): void {
    if (this.#isClosed) return;
    this.#failure = cause instanceof MoldauError ? cause : new MoldauError('INTERNAL', String(cause), {}, { cause });
    this.#cancelCommits();
    this.#changed.open();
  }

  /** Resolves when every listener has. What one of them throws is logged: a partition can't wait for it. */
  async #tell(event: GroupEvent, changed: readonly AssignedPartition[]): Promise<void> {
    if (changed.length === 0) return;
    const partitions = changed.map(({ topic, partition }) => ({ topic, partition }));
    const { logger } = this.#ports;
    await Promise.all(
      [...this.#listeners[event]].map(async (listener) => {
        try {
          await listener({ partitions });
        } catch (error) {
          logger.error('a listener of a consumer has failed', { event, error });
        }
      }),
    );
  }

  async #commitBatch(inHand: readonly { assigned: AssignedPartition; record: InHand }[]): Promise<void> {
    if (!this.#session.isAlive()) throw faults.sessionOver(this.group);
    const committing = this.#commitAsked(() => {
      for (const { assigned, record } of inHand) assigned.finish(record);
    });
    this.#inHand = this.#inHand.filter(({ record }) => record.state !== 'done');
    await committing;
    for (const { assigned, record } of inHand)
      if (assigned.overWith !== undefined && !assigned.hasCommitted(record)) throw assigned.overWith;
  }

  /** Partitions are not given up before it is decided. `finish`: what is done with it. */
  async #commitAsked(finish = (): void => {}): Promise<void> {
    this.#askedFor += 1;
    try {
      finish();
      await this.#commitDone();
    } finally {
      this.#askedFor -= 1;
      this.#changed.open();
    }
  }

  #commitSoon(): void {
    this.#commitDone().catch((error: unknown) => this.#notHeard(error));
  }

  #notHeard(error: unknown): void {
    if (!(error instanceof MoldauError)) throw error;
    this.#ports.logger.warn('a commit of a consumer has failed', { group: this.group, error });
    // What is lost is told as that.
    if (error.reason !== 'UNKNOWN_MEMBER') this.#unheard = error;
  }

  /** One at a time: what is done meanwhile goes with the next. */
  async #commitDone(): Promise<void> {
    while (this.#committing !== undefined) await this.#committing.catch(() => {});
    this.#committing = this.#commitNow().finally(() => {
      this.#committing = undefined;
    });
    await this.#committing;
  }

  async #commitNow(): Promise<void> {
    const commits: (NewCommit & { readonly assigned: AssignedPartition })[] = [];
    for (const assigned of this.#assigned.values()) {
      const { topicId, partition, uncommitted } = assigned;
      if (uncommitted !== undefined) commits.push({ topicId, partition, offset: uncommitted, assigned });
    }
    for (let at = 0; at < commits.length; at += commitsMax) {
      const some = commits.slice(at, at + commitsMax);
      const failures = await this.#session.commit(some);
      const refused = new Map(
        failures.flatMap(({ partition, error }) => (partition === undefined ? [] : [[nameOf(partition), error]])),
      );
      for (const one of some) if (!refused.has(nameOf(one))) one.assigned.committed(one.offset);
      const [error] = refused.values();
      if (error !== undefined) throw fromWireError(error);
    }
  }

  #of(at: TopicPartition): AssignedPartition {
    for (const one of this.#assigned.values()) if (one.topic === at.topic && one.partition === at.partition) return one;
    throw new MoldauError('INVALID_REQUEST', `${at.topic}/${at.partition} is not assigned to this member now`, {
      field: 'partition',
      problem: 'is not assigned',
    });
  }
}

const namesAgainMs = 200;
/** A last commit that is not answered in this time keeps nobody from the partition. */
const lastCommitMs = 5_000;
/** Offsets of one commit. */
const commitsMax = 10_000;
