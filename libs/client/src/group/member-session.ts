import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type CancelTimer,
  faults,
  Gate,
  jittered,
  type Millis,
  MoldauError,
  type PartitionKey,
  randomName,
  sleep,
} from '@moldau/kernel';
import type { CommitResult, CommittedOffsetSchema } from '@moldau/proto/moldau/group/v1/group_pb';
import { fromWireError } from '@moldau/rpc';
import type { ClientPorts } from '../client-ports.ts';
import { GroupCoordinators } from './group-coordinators.ts';
import { JoinLink, type JoinTold } from './join-link.ts';
import {
  endOf,
  type Granted,
  joining,
  type MembershipEffect,
  type MembershipEvent,
  type MembershipState,
  step,
} from './membership-machine.ts';
import { fromNamed, toAssignment } from './membership-wire.ts';
import { PendingCommits } from './pending-commits.ts';

/** Who joins which group, and how. */
export interface MemberOptions {
  readonly group: string;
  readonly topics: readonly string[];
  readonly topicRegex: string | undefined;
  readonly instanceId: string | undefined;
  readonly rack: string;
  /** Empty: the group's. */
  readonly assignor: string;
  readonly rebalanceTimeoutMs: Millis;
}

/** What a session tells. */
export interface MemberEvents {
  /** Partitions that are the member's from now on. */
  assigned(partitions: readonly Granted[]): void;
  /** Partitions that are to be given up. When it resolves nothing works on them any more. Does not reject. */
  revoked(partitions: readonly PartitionKey[]): Promise<void>;
  /** Others may have all of these now. */
  lost(partitions: readonly PartitionKey[], error: MoldauError): void;
  /** Nothing will be assigned any more. */
  failed(error: MoldauError): void;
}

type Offsets = readonly MessageInitShape<typeof CommittedOffsetSchema>[];

/** A search that takes longer begins anew, elsewhere. */
const findMs = 5_000;
const firstPauseMs = 50;
const lastPauseMs = 1_000;
/** Until a coordinator has said how long the session is. */
const firstPingMs = 2_000;
/** Of a session; never less often than an idle member has to speak, and not more often than is of use. */
const pingShare = 1 / 10;
const pingMs = { min: 500, max: 4_000 } as const;

/**
 * Keeps a consumer a member of its group: through streams that break, coordinators that move and sessions that are lost, after
 * which it joins anew. Decides nothing: that is for the machine; its application hears what to do by `events`.
 */
export class MemberSession {
  readonly #ports: ClientPorts;
  readonly #options: MemberOptions;
  readonly #events: MemberEvents;
  readonly #coordinators: GroupCoordinators;
  readonly #changed = new Gate();
  readonly #stopping = new AbortController();
  readonly #commits = new PendingCommits();
  #memberId: string;
  #state: MembershipState = joining;
  #link: JoinLink | undefined;
  /** When the hello was sent on the link. */
  #helloAt: Millis = 0;
  /** The coordinator may know the member id. */
  #hasSaidHello = false;
  #wasWelcome = false;
  #redirectedTo: number | undefined;
  #pauseMs = firstPauseMs;
  #cancelDeadline: CancelTimer | undefined;

  constructor(ports: ClientPorts, options: MemberOptions, events: MemberEvents) {
    this.#ports = ports;
    this.#options = options;
    this.#events = events;
    this.#coordinators = new GroupCoordinators(ports);
    this.#memberId = randomName(ports.random);
  }

  /** Of the membership that it has now, or is about to have. */
  get memberId(): string {
    return this.#memberId;
  }

  /** Ends the membership if its session has ended, before anything else is done in its name: timers may be late. */
  look(): void {
    const endsAt = endOf(this.#state);
    if (endsAt !== undefined && this.#now >= endsAt) this.#step({ kind: 'ticked' });
  }

  /** Whether there is no membership to leave: none was begun. */
  get #isUnknown(): boolean {
    return this.#state.kind === 'joining' && !this.#hasSaidHello;
  }

  /** Joins, and stays a member until `leave`, or until the coordinator refuses for good. */
  start(): void {
    void this.#run();
  }

  /**
   * Commits under the epoch of the membership. Resolves with what the coordinator says; rejects when it may not have been done:
   * with something retriable while the membership goes on.
   */
  commit(offsets: Offsets): Promise<CommitResult> {
    this.look();
    const state = this.#state;
    if (state.kind === 'over') return Promise.reject(state.error ?? this.#sessionOver());
    if (state.kind !== 'member' && state.kind !== 'giving-up') return Promise.reject(this.#sessionOver());
    const link = this.#link;
    if (link === undefined) return Promise.reject(new MoldauError('UNREACHABLE', 'on its way to the coordinator'));
    const { number, result } = this.#commits.add();
    link.say({ case: 'commit', value: { offsets: [...offsets], memberEpoch: state.epoch ?? 0, number } });
    return result;
  }

  /** Leaves; the application has given everything up. Resolves when the coordinator knows, or does not answer for so long. */
  async leave(comingBack: boolean, atMostMs: Millis): Promise<void> {
    if (this.#isUnknown) return this.#stop();
    this.#step({ kind: 'leave', comingBack });
    const cancel = this.#ports.timers.after(atMostMs, () => this.#stop());
    while (this.#state.kind !== 'over' && !this.#stopping.signal.aborted) await this.#changed.wait();
    cancel();
    this.#stop();
  }

  #stop(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
    this.#stopping.abort();
    this.#link?.close();
    this.#changed.open();
  }

  get #now(): Millis {
    return this.#ports.clock.monotonicMs();
  }

  /** One stream after the other. */
  async #run(): Promise<void> {
    const since = this.#now;
    while (!this.#stopping.signal.aborted) {
      const error = await this.#follow().catch(asMoldauError);
      if (this.#stopping.signal.aborted) return;
      if (error === undefined) this.#step({ kind: 'ended' });
      else if (isForGood(error) || this.#isUnheard(since)) this.#step({ kind: 'refused', error });
      if (!this.#goesOn()) return;
      this.#ports.logger.debug('a stream to the coordinator of a group is over', { group: this.#options.group, error });
      await this.#pause();
    }
  }

  /** A cluster that has never answered may be the wrong one; one that has is waited for. */
  #isUnheard(since: Millis): boolean {
    return !this.#wasWelcome && this.#now - since >= this.#ports.timeoutMs;
  }

  async #pause(): Promise<void> {
    const { timers, random } = this.#ports;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(pauseMs * 2, lastPauseMs);
    // Whoever was sent elsewhere, and comes from a stream that was good, goes there at once.
    if (this.#redirectedTo !== undefined && pauseMs === firstPauseMs) return;
    await sleep(timers, jittered(random, pauseMs), this.#stopping.signal).catch(() => {});
  }

  /** A membership that was lost is followed by another one, under another id. False: there is to be none. */
  #goesOn(): boolean {
    this.look();
    if (this.#state.kind !== 'over') return true;
    if (this.#state.why !== 'lost') return false;
    this.#memberId = randomName(this.#ports.random);
    this.#hasSaidHello = false;
    this.#state = joining;
    return true;
  }

  /** Follows one stream to its end. Resolves when the coordinator has ended it in order; else throws why it broke. */
  async #follow(): Promise<void> {
    const { connections } = this.#ports;
    const address = await this.#find();
    if (this.#stopping.signal.aborted || !this.#goesOn()) return;
    const link = new JoinLink(connections.to(address, 'control'), this.#ports, firstPingMs, {
      told: (frame) => this.#told(link, frame),
      renewed: (saidAt) => this.#step({ kind: 'renewed', saidAt }),
    });
    this.#link = link;
    this.#step({ kind: 'opened' });
    // A session that goes on is to be sure of it soon.
    link.ping();
    try {
      await link.follow();
    } finally {
      this.#link = undefined;
      this.#commits.fail(lostStream());
    }
  }

  #find(): Promise<string> {
    const nodeId = this.#redirectedTo;
    this.#redirectedTo = undefined;
    return nodeId === undefined
      ? this.#coordinators.find(this.#options.group, findMs)
      : this.#coordinators.addressOf(nodeId, findMs);
  }

  #told(link: JoinLink, frame: JoinTold): void {
    switch (frame.case) {
      case 'welcome': {
        const { sessionTimeoutMs } = frame.value;
        this.#wasWelcome = true;
        this.#pauseMs = firstPauseMs;
        link.pingEveryMs = Math.min(pingMs.max, Math.max(pingMs.min, sessionTimeoutMs * pingShare));
        return this.#step({ kind: 'welcome', sessionTimeoutMs, saidAt: this.#helloAt });
      }
      case 'assignment':
        return this.#step({ kind: 'assignment', ...toAssignment(frame.value) });
      case 'committed':
        return this.#commits.settle(frame.value);
      case 'fenced':
        this.#step({ kind: 'fenced', error: fromWireError(frame.value) });
        return link.close();
      case 'redirect':
        this.#redirectedTo = frame.value.nodeId;
        return link.close();
      case 'drain':
        return link.close();
      // An update, which might be refused, is never sent; pongs and heartbeats are for the link.
      case 'refused':
      case 'pong':
      case 'heartbeat':
      case undefined:
        return;
    }
  }

  #step(event: MembershipEvent): void {
    const before = this.#state;
    const [state, effects] = step(before, event, this.#now);
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
    this.#watchDeadline();
    if (state.kind !== 'over' || before.kind === 'over') return;
    this.#commits.fail(state.error ?? this.#sessionOver());
    this.#link?.close();
    if (state.why === 'refused' && state.error !== undefined) this.#events.failed(state.error);
    this.#changed.open();
  }

  #carryOut(effect: MembershipEffect): void {
    switch (effect.kind) {
      case 'hello':
        this.#helloAt = this.#now;
        this.#hasSaidHello = true;
        return this.#link?.say({ case: 'hello', value: this.#hello(effect) });
      case 'ack': {
        const owned = { partitions: effect.owned.map(fromNamed) };
        return this.#link?.say({ case: 'ack', value: { assignment: effect.assignment, owned } });
      }
      case 'leave':
        return this.#link?.say({ case: 'leave', value: { comingBack: effect.comingBack } });
      case 'take':
        return this.#events.assigned(effect.partitions);
      case 'give-up':
        void this.#giveUp(effect.partitions);
        return;
      case 'lose':
        return this.#events.lost(effect.partitions, effect.error ?? this.#sessionOver());
    }
  }

  #hello({ lastMemberEpoch, lastAssignment, owned }: Extract<MembershipEffect, { kind: 'hello' }>) {
    const { group, topics, topicRegex, instanceId, rack, assignor, rebalanceTimeoutMs } = this.#options;
    return {
      group,
      memberId: this.#memberId,
      topics: [...topics],
      rack,
      assignor,
      rebalanceTimeoutMs,
      owned: { partitions: owned.map(fromNamed) },
      ...(topicRegex !== undefined && { topicRegex }),
      ...(instanceId !== undefined && { instanceId }),
      ...(lastMemberEpoch !== undefined && { lastMemberEpoch }),
      ...(lastAssignment !== undefined && { lastAssignment }),
    };
  }

  /** What an earlier membership had to give up is nothing to tell for a later one. */
  async #giveUp(partitions: readonly PartitionKey[]): Promise<void> {
    const memberId = this.#memberId;
    await this.#events.revoked(partitions);
    if (this.#memberId === memberId) this.#step({ kind: 'gave-up', partitions });
  }

  #sessionOver(): MoldauError {
    return faults.sessionOver(this.#options.group);
  }

  /** One timer at a time: when it fires too early, for the session went on, it is set again. */
  #watchDeadline(): void {
    const endsAt = endOf(this.#state);
    if (endsAt === undefined || this.#cancelDeadline !== undefined || this.#stopping.signal.aborted) return;
    this.#cancelDeadline = this.#ports.timers.after(Math.max(0, endsAt - this.#now), () => {
      this.#cancelDeadline = undefined;
      this.#step({ kind: 'ticked' });
    });
  }
}

/** Whether another stream, or another member id, can't help. A full group is told, as it can stay full for long. */
const isForGood = ({ retriable, reason }: MoldauError): boolean => !retriable || reason === 'GROUP_FULL';

const lostStream = (): MoldauError =>
  new MoldauError('UNREACHABLE', 'the stream to the coordinator broke before the commit was answered');

const asMoldauError = (error: unknown): MoldauError =>
  error instanceof MoldauError ? error : new MoldauError('INTERNAL', String(error), {}, { cause: error });
