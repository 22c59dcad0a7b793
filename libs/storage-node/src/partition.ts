import {
  faults,
  type LeaderEpoch,
  type Millis,
  MoldauError,
  type NodeId,
  type Offset,
  offset,
  type Timers,
} from '@moldau/kernel';
import type { LogConfig, PartitionLog } from '@moldau/log';
import { isInternalTopic } from '@moldau/metadata';
import type { CommittedState, Hello, Following as Leader } from '@moldau/replication';
import { ParkedAppends, type Settle } from './parked-appends.ts';
import type { Following } from './replication/following.ts';
import type { Leading, LeadingEvents } from './replication/leading.ts';
import type { Replication } from './replication/replication.ts';

/** What this node is to the partition. */
export type Role =
  | { readonly kind: 'leader'; readonly epoch: LeaderEpoch }
  /** Someone else leads, or no one. */
  | { readonly kind: 'follower'; readonly leader: NodeId | undefined; readonly epoch: LeaderEpoch }
  /** The data is gone, or going. */
  | { readonly kind: 'removed' };

/** Who writes: somebody from outside, or the owner of a part of an internal topic. */
export type Writer = 'user' | 'owner';

/** How an append is to be taken. */
export interface PartitionAppend {
  readonly expectedOffset?: Offset;
  /** The writer's. One above the partition's raises that: answered when it is committed, whatever `acks` says. */
  readonly fencingToken?: bigint;
  /** `all`: answered when it is committed; `leader`: when it is durable here, and a fail-over may lose it. */
  readonly acks: 'all' | 'leader';
  /** May throw to refuse what is no duplicate. */
  readonly admit: () => void;
}

/** What a partition needs of its node. */
export interface PartitionPorts {
  readonly replication: Replication;
  readonly timers: Timers;
  now(): Millis;
}

/** A new leader hears of what was committed as soon as its followers are there. */
const knownWithinMs: Millis = 2_000;

/** Between two resignations after which others may do no better: for a slow or a full disk, or because nobody followed. */
const betweenResignationsMs: Millis = 30_000;

/**
 * The owner of one partition on this node. Every transition is synchronous, so no two interleave (`lead` waits before it begins,
 * for what still copies): an append takes its offsets, waits in `parked`, and is answered when the high watermark has passed
 * it, in the order of arrival.
 */
export class Partition {
  readonly topic: string;
  readonly log: PartitionLog;
  readonly #ports: PartitionPorts;
  #role: Role;
  #leading: Leading | undefined;
  #following: Following | undefined;
  #copy: Hello['copy'];
  #lagMaxMs: Millis = 0;
  #gaveWayAt = Number.NEGATIVE_INFINITY;
  /** Until they are committed. */
  readonly #parked = new ParkedAppends();
  /** Until they are durable here. */
  readonly #parkedHere = new ParkedAppends();
  #watchers = new Set<() => void>();
  #resignedEpoch: LeaderEpoch | undefined;
  #lastLed: LeaderEpoch | undefined;
  #onResign: () => void = () => {};

  /** `copy`: what the log is worth as a copy of its leader's. */
  constructor(topic: string, log: PartitionLog, copy: Hello['copy'], ports: PartitionPorts) {
    this.topic = topic;
    this.log = log;
    this.#copy = copy;
    if (copy === 'whole') log.vouch();
    this.#ports = ports;
    this.#role = { kind: 'follower', leader: undefined, epoch: log.storedEpoch };
    log.onWritten(() => this.#leading?.written());
    log.onDurable((durableEnd) => {
      this.#parkedHere.release(durableEnd);
      this.#leading?.synced();
      this.#following?.synced();
    });
    log.onWriteFailed((from, error) => {
      this.#fail(from, error.code === 'ENOSPC' ? diskFull() : storageFailed(this.name));
      this.#following?.writeFailed();
      this.#resign();
    });
    log.onDamage(() => this.damaged());
  }

  /** `topic/partition`, for messages. */
  get name(): string {
    return `${this.topic}/${this.log.identity.partition}`;
  }

  get role(): Role {
    return this.#role;
  }

  /** The topic's settings in force. */
  configure({ log, lagMaxMs }: { readonly log: LogConfig; readonly lagMaxMs: Millis }): void {
    this.log.configure(log);
    this.#lagMaxMs = lagMaxMs;
    this.#leading?.configure(lagMaxMs);
  }

  /** Present while it leads. */
  get leading(): Leading | undefined {
    return this.#leading;
  }

  /** Present while it follows. */
  get following(): Following | undefined {
    return this.#following;
  }

  /** What the copy is worth. */
  get copy(): Hello['copy'] {
    if (this.log.isCorrupt) return 'lost';
    return this.#following?.copy ?? this.#copy;
  }

  /** Takes the lead under `epoch`, which must be stored already: after a restart nothing may be written under an older one. */
  async lead(epoch: LeaderEpoch, state: CommittedState): Promise<void> {
    await this.stopFollowing();
    if (this.#role.kind === 'removed') return;
    this.#leading?.stop();
    const epochStart = this.log.logEnd;
    this.log.lead(epoch);
    this.#lastLed = epoch;
    this.#role = { kind: 'leader', epoch };
    // From now on this is the log, and others are its copies.
    this.#copy = 'whole';
    this.log.vouch();
    const options = { epoch, epochStart, mayGiveWay: this.#mayGiveWay(), lagMaxMs: this.#lagMaxMs };
    this.#leading = this.#ports.replication.lead(this.log, state, options, {
      committed: (highWatermark) => this.#commit(highWatermark),
      resigned: (why) => this.#resignFor(why),
    });
    this.#leading.synced();
    this.#wake();
  }

  /** Looks at what only time brings about. A leader on a full disk, which refuses everybody, lets another copy lead. */
  tick(isDiskFull: boolean): void {
    const { leading } = this;
    leading?.tick();
    if (!isDiskFull || leading === undefined || leading.committed.isr.length < 2) return;
    if (!this.#mayGiveWay()) return;
    this.#gaveWayAt = this.#ports.now();
    this.#resign();
  }

  /** Gives the lead up, or learns who has it. What was appended and not committed has an unknown outcome. */
  follow(role: Exclude<Role, { kind: 'leader' }>): void {
    const led = this.#role.kind === 'leader';
    this.#role = role;
    if (led) {
      this.#leading?.stop();
      this.#leading = undefined;
      this.log.stopLeading();
      this.#fail(offset(0), leadershipLost(this.name));
    }
    if (role.kind === 'removed') void this.stopFollowing();
    this.#wake();
  }

  /** Leads no more, and does not know who does. */
  stepDown(): void {
    if (this.#role.kind === 'leader') this.follow({ kind: 'follower', leader: undefined, epoch: this.#role.epoch });
  }

  /** Follows a leader of another node; a newer epoch than the one that is followed. */
  copyFrom(leader: Leader): void {
    this.#following ??= this.#ports.replication.follow(this.log, this.#copy, () => this.#wake());
    this.#following.follow(leader);
  }

  /** Resolves when nothing is copied any more. */
  async stopFollowing(): Promise<void> {
    const following = this.#following;
    this.#following = undefined;
    if (following === undefined) return;
    this.#copy = following.copy;
    await following.stop();
  }

  /** Whether this epoch was led here: once given up, it is never taken again. */
  hasLed(epoch: LeaderEpoch): boolean {
    return this.#lastLed !== undefined && epoch <= this.#lastLed;
  }

  /** The epoch that it led under and has given up: offsets of it were handed out, and nothing stands at them. */
  get resignedEpoch(): LeaderEpoch | undefined {
    return this.#resignedEpoch;
  }

  /** Calls back when this node gives its epoch up, and must be given another one to go on. */
  onResign(callback: () => void): void {
    this.#onResign = callback;
  }

  /** Throws PERMISSION_DENIED when it is not the writer's to change: users have no part in internal topics, nor owners in others. */
  requireWriter(writer: Writer, action: string): void {
    if (isInternalTopic(this.topic) === (writer === 'owner')) return;
    throw writer === 'owner' ? noInternalTopic(this.topic) : faults.internalTopic(this.topic, action);
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
   * otherwise `settle` is called later.
   */
  append(bytes: Uint8Array, { acks, admit, ...options }: PartitionAppend, settle: Settle): void {
    const result = this.log.append(bytes, { ...options, admit: () => this.#admit(acks, admit) });
    const parked = {
      endsAt: result.kind === 'appended' ? result.nextOffset : result.commitsAt,
      error: result.baseOffset === undefined ? duplicateOutsideWindow(this.name) : undefined,
      appended: {
        baseOffset: result.baseOffset,
        lastOffset: result.lastOffset,
        logEnd: this.log.logEnd,
        timestampMs: result.kind === 'appended' ? result.timestampMs : undefined,
      },
      settle,
    };
    const raised = result.kind === 'appended' && result.raised;
    if (acks === 'leader' && !raised) this.#parkedHere.park(parked, this.log.durableEnd);
    else this.#parked.park(parked, this.log.highWatermark);
  }

  /**
   * Lets nobody with a lower fencing token write any more: settled when the control record that raised it to this one, now or
   * before, is committed, with the offset of that. Throws FENCED_TOKEN when it lies below the one in force, and as `append` does.
   */
  raiseToken(token: bigint, admit: () => void, settle: Settle): void {
    const endsAt = this.log.raiseToken(token, () => this.#admit('all', admit));
    const at = offset(endsAt - 1n);
    const appended = { baseOffset: at, lastOffset: at, logEnd: this.log.logEnd, timestampMs: undefined };
    this.#parked.park({ endsAt, error: undefined, appended, settle }, this.log.highWatermark);
  }

  /**
   * Resolves when this leader knows everything that is committed. Rejects with OFFSET_NOT_AVAILABLE when that takes too long,
   * with NOT_LEADER when it does not lead any more.
   */
  async committedKnown(): Promise<void> {
    if (this.#leading === undefined) return;
    let isLate = false;
    const cancel = this.#ports.timers.after(knownWithinMs, () => {
      isLate = true;
      this.#wake();
    });
    while (this.#leading?.knowsCommitted === false && !isLate) await this.#changed();
    cancel();
    this.requireLeader();
    if (this.#leading?.knowsCommitted === false) throw notKnown(this.name);
  }

  /** A copy that is damaged is replaced from another one. The only one goes on: what is whole of it is all that there is. */
  damaged(): void {
    const hasOthers =
      this.#leading === undefined ? this.#following !== undefined : this.#leading.committed.isr.length > 1;
    if (!hasOthers) return;
    // Should the mark not reach the disk, the next read finds the damage again.
    this.log.markCorrupt().catch(() => {});
    this.#resign();
    this.#following?.damaged();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      const unwatch = this.watch(() => {
        unwatch();
        resolve();
      });
    });
  }

  /** Calls back whenever the high watermark or the role has changed, until the returned function is called. */
  watch(callback: () => void): () => void {
    this.#watchers.add(callback);
    return () => this.#watchers.delete(callback);
  }

  /** Should nobody else lead, whatever a follower has claimed, the coordinator has to elect once more. */
  #resignFor(why: Parameters<LeadingEvents['resigned']>[0]): void {
    if (why === 'slow-disk' || why === 'alone') this.#gaveWayAt = this.#ports.now();
    this.#resign();
  }

  #mayGiveWay(): boolean {
    return this.#ports.now() - this.#gaveWayAt >= betweenResignationsMs;
  }

  #resign(): void {
    if (this.#role.kind !== 'leader') return;
    this.#resignedEpoch = this.#role.epoch;
    this.stepDown();
    this.#onResign();
  }

  /** A write that could not be committed is not begun. A duplicate is no write: it was looked for before. */
  #admit(acks: PartitionAppend['acks'], admit: () => void): void {
    admit();
    const { leading } = this;
    if (acks === 'leader' || leading === undefined || leading.hasEnoughReplicas) return;
    const { isr, minIsr } = leading.committed;
    throw notEnoughReplicas(this.name, isr.length, minIsr);
  }

  #commit(highWatermark: Offset): void {
    this.#parked.release(highWatermark);
    this.#wake();
  }

  #fail(from: Offset, error: MoldauError): void {
    this.#parkedHere.fail(from, error);
    this.#parked.fail(from, error);
  }

  #wake(): void {
    for (const callback of this.#watchers) callback();
  }
}

const noInternalTopic = (topic: string): MoldauError =>
  new MoldauError(
    'PERMISSION_DENIED',
    `topic ${JSON.stringify(topic)} is no internal one: write to it as everybody does`,
    {
      action: 'append to',
    },
  );

const duplicateOutsideWindow = (partition: string): MoldauError =>
  new MoldauError('DUPLICATE_SEQUENCE', `${partition} has this batch already, too long ago to know its offset`);

const notEnoughReplicas = (partition: string, inSync: number, needed: number): MoldauError =>
  new MoldauError(
    'NOT_ENOUGH_REPLICAS',
    `${partition} has ${inSync} in-sync replica${inSync === 1 ? '' : 's'}, and an append needs ${needed}: wait for a node to come back`,
    { in_sync: inSync, min_in_sync: needed },
  );

const notKnown = (partition: string): MoldauError =>
  new MoldauError(
    'OFFSET_NOT_AVAILABLE',
    `the new leader of ${partition} does not know yet what was committed before: retry`,
  );

const diskFull = (): MoldauError =>
  new MoldauError('DISK_FULL', 'the disk is full: nothing of this batch was written; free space, or shorten retention');

const storageFailed = (partition: string): MoldauError =>
  new MoldauError(
    'STORAGE_FAILED',
    `the disk under ${partition} failed during the write: its outcome is unknown; an idempotent producer may send it again, and the disk is to be looked at`,
  );

const leadershipLost = (partition: string): MoldauError =>
  new MoldauError(
    'LEADERSHIP_LOST',
    `${partition} got another leader before the batch was committed: its outcome is unknown; an idempotent producer may send it again`,
  );

const fencedEpoch = (partition: string, epoch: number, current: LeaderEpoch): MoldauError =>
  new MoldauError('FENCED_EPOCH', `${partition} is at leader epoch ${current}, not ${epoch}: refresh the metadata`, {
    epoch,
    current_epoch: current,
  });
