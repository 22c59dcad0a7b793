import { faults, type LeaderEpoch, MoldauError, type NodeId, type Offset, offset } from '@moldau/kernel';
import type { PartitionLog } from '@moldau/log';

/** What an append came to. Offsets are absent for a duplicate of which only the fact is still known. */
export interface Appended {
  readonly baseOffset: Offset | undefined;
  readonly lastOffset: Offset | undefined;
  readonly logEnd: Offset;
  /** The log-append time, where the topic stamps it. */
  readonly timestampMs: number | undefined;
}

/** Called exactly once for each append: with an error, or with what was committed. */
export type Settle = (error: MoldauError | undefined, appended: Appended | undefined) => void;

/** What this node is to the partition. */
export type Role =
  | { readonly kind: 'leader'; readonly epoch: LeaderEpoch }
  /** Someone else leads, or no one. */
  | { readonly kind: 'follower'; readonly leader: NodeId | undefined; readonly epoch: LeaderEpoch }
  /** The data is gone, or going. */
  | { readonly kind: 'removed' };

interface Parked {
  readonly commitsAt: Offset;
  /** Present: what to answer instead, once it is committed. */
  readonly error: MoldauError | undefined;
  readonly appended: Appended;
  readonly settle: Settle;
}

/**
 * The owner of one partition on this node. Every method is synchronous, so no two transitions interleave: an append
 * takes its offsets, waits in `parked`, and is answered when the high watermark has passed it, in the order of arrival.
 */
export class Partition {
  readonly topic: string;
  readonly log: PartitionLog;
  #role: Role;
  #parked: Parked[] = [];
  #watchers = new Set<() => void>();
  #resignedEpoch: LeaderEpoch | undefined;
  #onResign: () => void = () => {};

  constructor(topic: string, log: PartitionLog) {
    this.topic = topic;
    this.log = log;
    this.#role = { kind: 'follower', leader: undefined, epoch: log.lastEpoch };
    log.onDurable((durableEnd) => this.#commit(durableEnd));
    log.onWriteFailed((from, error) => {
      this.#fail(from, error.code === 'ENOSPC' ? diskFull() : storageFailed(this.name));
      this.#resign();
    });
  }

  /** `topic/partition`, for messages. */
  get name(): string {
    return `${this.topic}/${this.log.identity.partition}`;
  }

  get role(): Role {
    return this.#role;
  }

  /** Takes the lead under `epoch`, which must be stored already: after a restart nothing may be written under an older one. */
  lead(epoch: LeaderEpoch): void {
    this.log.lead(epoch);
    this.#role = { kind: 'leader', epoch };
    // The only replica: what is durable is committed.
    this.#commit(this.log.durableEnd);
    this.#wake();
  }

  /** Gives the lead up, or learns who has it. What was appended and not committed has an unknown outcome. */
  follow(role: Exclude<Role, { kind: 'leader' }>): void {
    const led = this.#role.kind === 'leader';
    this.#role = role;
    if (led) {
      this.log.stopLeading();
      this.#fail(offset(0), leadershipLost(this.name));
    }
    this.#wake();
  }

  /** The epoch that it led under and has given up: offsets of it were handed out, and nothing stands at them. */
  get resignedEpoch(): LeaderEpoch | undefined {
    return this.#resignedEpoch;
  }

  /** Calls back when this node gives its epoch up, and must be given another one to go on. */
  onResign(callback: () => void): void {
    this.#onResign = callback;
  }

  /** Throws unless this node leads, under the epoch that the caller believes in where it names one. */
  requireLeader(believed?: number): void {
    const role = this.#role;
    if (role.kind === 'removed') throw faults.unknownTopic(this.topic);
    if (role.kind === 'follower') throw faults.notLeader(this.name, role.leader, role.epoch);
    if (believed === undefined || believed === role.epoch) return;
    if (believed < role.epoch) throw fencedEpoch(this.name, believed, role.epoch);
    // The client has newer metadata than we do: we are about to learn that we no longer lead.
    throw faults.notLeader(this.name, undefined, role.epoch);
  }

  /**
   * Appends batches; `bytes` belong to the log from now on. Throws when nothing was written and nothing will be;
   * otherwise `settle` is called later. `admit` may throw to refuse what is no duplicate.
   */
  append(bytes: Uint8Array, options: { expectedOffset?: Offset; admit: () => void }, settle: Settle): void {
    const result = this.log.append(bytes, options);
    const parked: Parked = {
      commitsAt: result.kind === 'appended' ? result.nextOffset : result.commitsAt,
      error: result.baseOffset === undefined ? duplicateOutsideWindow(this.name) : undefined,
      appended: {
        baseOffset: result.baseOffset,
        lastOffset: result.lastOffset,
        logEnd: this.log.logEnd,
        timestampMs: result.kind === 'appended' ? result.timestampMs : undefined,
      },
      settle,
    };
    if (this.#parked.length === 0 && parked.commitsAt <= this.log.highWatermark) release(parked);
    else this.#parked.push(parked);
  }

  /** Calls back whenever the high watermark or the role has changed, until the returned function is called. */
  watch(callback: () => void): () => void {
    this.#watchers.add(callback);
    return () => this.#watchers.delete(callback);
  }

  #resign(): void {
    if (this.#role.kind !== 'leader') return;
    this.#resignedEpoch = this.#role.epoch;
    this.follow({ kind: 'follower', leader: undefined, epoch: this.#role.epoch });
    this.#onResign();
  }

  #commit(durableEnd: Offset): void {
    if (this.#role.kind !== 'leader' || durableEnd <= this.log.highWatermark) return;
    this.log.advanceHighWatermark(durableEnd);
    let released = 0;
    for (const parked of this.#parked) {
      if (parked.commitsAt > durableEnd) break;
      release(parked);
      released += 1;
    }
    this.#parked.splice(0, released);
    this.#wake();
  }

  #fail(from: Offset, error: MoldauError): void {
    const failed = this.#parked.filter(({ commitsAt }) => commitsAt > from);
    this.#parked = this.#parked.filter(({ commitsAt }) => commitsAt <= from);
    for (const { settle } of failed) settle(error, undefined);
  }

  #wake(): void {
    for (const callback of this.#watchers) callback();
  }
}

function release({ error, appended, settle }: Parked): void {
  if (error === undefined) settle(undefined, appended);
  else settle(error, undefined);
}

const duplicateOutsideWindow = (partition: string): MoldauError =>
  new MoldauError('DUPLICATE_SEQUENCE', `${partition} has this batch already, too long ago to know its offset`);

const diskFull = (): MoldauError =>
  new MoldauError('DISK_FULL', 'the disk is full: nothing of this batch was written; free space, or shorten retention');

const storageFailed = (partition: string): MoldauError =>
  new MoldauError('STORAGE_FAILED', `the disk under ${partition} failed during the write: its outcome is unknown`);

const leadershipLost = (partition: string): MoldauError =>
  new MoldauError('LEADERSHIP_LOST', `${partition} got another leader before the batch was committed`);

const fencedEpoch = (partition: string, epoch: number, current: LeaderEpoch): MoldauError =>
  new MoldauError('FENCED_EPOCH', `${partition} is at leader epoch ${current}, not ${epoch}: refresh the metadata`, {
    epoch,
    current_epoch: current,
  });
