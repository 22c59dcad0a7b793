import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults, jittered, type Logger, type Millis, MoldauError, randomName, repeat, sleep } from '@moldau/kernel';
import {
  type CommitFailure,
  GroupService,
  type JoinSessionRequestSchema,
  type JoinSessionResponse,
} from '@moldau/proto/moldau/group/v1/group_pb';
import { fromWireError, type Session, SessionLiveness } from '@moldau/rpc';
import type { ClientPorts } from '../client-ports.ts';
import { GroupCoordinators } from './group-coordinators.ts';
import { type Given, type GroupPartition, Membership } from './membership.ts';

type Stream = Session<MessageInitShape<typeof JoinSessionRequestSchema>, JoinSessionResponse>;
type Frame = NonNullable<MessageInitShape<typeof JoinSessionRequestSchema>['frame']>;

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
  assigned(partitions: readonly Given[]): void;
  /** Partitions that are to be given up. When it resolves nothing works on them any more. Does not reject. */
  revoked(partitions: readonly GroupPartition[]): Promise<void>;
  /** Others may have all of these now. */
  lost(partitions: readonly GroupPartition[], error: MoldauError): void;
  /** Nothing will be assigned any more. */
  failed(error: MoldauError): void;
}

/** A position to be committed. */
export interface NewCommit extends GroupPartition {
  readonly offset: bigint;
}

interface PendingCommit {
  readonly number: bigint;
  readonly offsets: readonly NewCommit[];
  readonly settled: PromiseWithResolvers<readonly CommitFailure[]>;
}

const tickMs: Millis = 1_000;
const firstPauseMs: Millis = 50;
const lastPauseMs: Millis = 1_000;

/**
 * A member of a group, over one stream after the other: what a membership says is done, a stream that breaks is followed by the
 * next one, and a membership that is lost by a new one. Needs nobody's help to stay alive.
 */
export class MemberSession {
  readonly #ports: ClientPorts;
  readonly #options: MemberOptions;
  readonly #events: MemberEvents;
  readonly #coordinators: GroupCoordinators;
  readonly #closing = new AbortController();
  readonly #commits = new Map<bigint, PendingCommit>();
  readonly #cancelTick: () => void;
  #membership: Membership;
  #liveness: SessionLiveness | undefined;
  #stream: Stream | undefined;
  /** Whether the membership is known to the coordinator on this stream: commits may be sent. */
  #isWelcome = false;
  #commitNumber = 0n;
  /** Where the last coordinator has said that the group is. */
  #hint: number | undefined;
  #pauseMs = firstPauseMs;
  #running: Promise<void> = Promise.resolve();

  constructor(options: MemberOptions, ports: ClientPorts, events: MemberEvents) {
    this.#ports = ports;
    this.#options = options;
    this.#events = events;
    this.#coordinators = new GroupCoordinators(ports);
    this.#membership = this.#newMembership();
    this.#cancelTick = repeat(ports.timers, tickMs, () => this.#tick());
    this.#running = this.#run();
  }

  get memberId(): string {
    return this.#membership.memberId;
  }

  /** Whether a partition is the member's, and not about to be given up. */
  owns(partition: GroupPartition): boolean {
    return this.#membership.has(partition);
  }

  /** Whether what was assigned may still be worked on: where the session is over by our own clock, it is lost here and now. */
  isAlive(): boolean {
    if (!this.#membership.isOver(this.#ports.clock.monotonicMs())) return true;
    this.#lose(faults.sessionOver(this.#options.group));
    return false;
  }

  /** Commits. Resolves with what of it was refused. Rejects when the membership ends before, or the commit failed. */
  commit(offsets: readonly NewCommit[]): Promise<readonly CommitFailure[]> {
    this.#commitNumber += 1n;
    const number = this.#commitNumber;
    const pending = { number, offsets, settled: Promise.withResolvers<readonly CommitFailure[]>() };
    if (!this.isAlive() || this.#closing.signal.aborted) {
      pending.settled.reject(faults.sessionOver(this.#options.group));
      return pending.settled.promise;
    }
    this.#commits.set(number, pending);
    if (this.#isWelcome) this.#sendCommit(pending);
    return pending.settled.promise;
  }

  /** Leaves, and resolves when that is said. `comingBack`: a static member's partitions wait for it. */
  async close({ comingBack }: { readonly comingBack: boolean }): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#say({ case: 'leave', value: { comingBack } });
    this.#stream?.end();
    this.#cancelTick();
    this.#closing.abort();
    const { timers } = this.#ports;
    // The coordinator ends the stream when it knows.
    await Promise.race([this.#running, sleep(timers, leaveMs)]);
    this.#stream?.cancel();
    this.#failCommits(faults.sessionOver(this.#options.group));
  }

  #newMembership(): Membership {
    return new Membership(randomName(this.#ports.random));
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await this.#follow(await this.#find());
      } catch (error) {
        if (signal.aborted) return;
        if (!this.#mayPass(error)) return this.#fail(error);
        this.#logger.debug('a member has no coordinator now: asking again', { group: this.#options.group, error });
      }
      if (signal.aborted) return;
      await sleep(this.#ports.timers, jittered(this.#ports.random, this.#pauseMs), signal).catch(() => {});
      this.#pauseMs = Math.min(this.#pauseMs * 2, lastPauseMs);
    }
  }

  get #logger(): Logger {
    return this.#ports.logger;
  }

  async #find(): Promise<string> {
    const { metadata, timeoutMs } = this.#ports;
    const hint = this.#hint;
    this.#hint = undefined;
    const hinted = hint === undefined ? undefined : (await metadata.nodes(timeoutMs)).find(({ id }) => id === hint);
    return hinted?.address ?? this.#coordinators.find(this.#options.group, timeoutMs);
  }

  /** One stream, to its end. Throws what ends the membership for good, and what broke the stream. */
  async #follow(address: string): Promise<void> {
    const { connections, clock } = this.#ports;
    const stream = connections.to(address, 'control').session(GroupService.method.joinSession);
    this.#stream = stream;
    this.#liveness = new SessionLiveness(clock, 'server');
    this.#hello();
    try {
      for await (const { frame } of stream.incoming) {
        this.#liveness.heard();
        if (this.#take(frame) === 'leave') return;
      }
    } finally {
      this.#isWelcome = false;
      this.#stream = undefined;
      stream.cancel();
    }
  }

  #hello(): void {
    const { group, topics, topicRegex, instanceId, rack, assignor, rebalanceTimeoutMs } = this.#options;
    const membership = this.#membership;
    const { memberId, epoch, applied } = membership;
    membership.helloSent(this.#ports.clock.monotonicMs());
    this.#say({
      case: 'hello',
      value: {
        ...{ group, memberId, rack, assignor, rebalanceTimeoutMs, topics: [...topics] },
        owned: { partitions: [...membership.owned] },
        ...(instanceId !== undefined && { instanceId }),
        ...(topicRegex !== undefined && { topicRegex }),
        ...(epoch !== undefined && { lastMemberEpoch: epoch }),
        ...(applied !== undefined && { lastAssignment: applied }),
      },
    });
  }

  /** `leave`: there is somebody else to go to. */
  #take(frame: JoinSessionResponse['frame']): 'leave' | undefined {
    switch (frame.case) {
      case 'welcome':
        this.#pauseMs = firstPauseMs;
        this.#membership.welcomed(frame.value.sessionTimeoutMs);
        this.#isWelcome = true;
        // What was on its way when the last stream broke may have been committed: it is, again, and no other comes between.
        for (const pending of this.#commits.values()) this.#sendCommit(pending);
        return undefined;
      case 'assignment':
        this.#assignment(frame.value);
        return undefined;
      case 'pong':
        this.#membership.ponged(frame.value.number);
        return undefined;
      case 'committed': {
        const { number, failures, error } = frame.value;
        const pending = this.#commits.get(number);
        this.#commits.delete(number);
        if (error === undefined) pending?.settled.resolve(failures);
        else pending?.settled.reject(fromWireError(error));
        return undefined;
      }
      case 'fenced':
        throw fromWireError(frame.value);
      case 'redirect':
        this.#hint = frame.value.nodeId;
        return 'leave';
      case 'drain':
        return 'leave';
      case 'refused':
      case 'heartbeat':
      case undefined:
        return undefined;
    }
  }

  #assignment({
    number,
    memberEpoch,
    assigned,
  }: Extract<JoinSessionResponse['frame'], { case: 'assignment' }>['value']) {
    const given = assigned.flatMap(({ partition, offset }) =>
      partition === undefined ? [] : [{ topicId: partition.topicId, partition: partition.partition, offset }],
    );
    const membership = this.#membership;
    const change = membership.assignment({ number, epoch: memberEpoch, assigned: given });
    this.#ack();
    if (change.revoked.length > 0) void this.#giveUp(membership, change.revoked);
    if (change.assigned.length > 0) this.#events.assigned(change.assigned);
  }

  async #giveUp(membership: Membership, partitions: readonly GroupPartition[]): Promise<void> {
    await this.#events.revoked(partitions);
    if (membership !== this.#membership) return;
    const again = membership.gaveUp(partitions);
    this.#ack();
    if (again.length > 0) this.#events.assigned(again);
  }

  /** Behind the last commit of what it gives up. */
  #ack(): void {
    const { applied, owned } = this.#membership;
    if (applied === undefined) return;
    this.#say({ case: 'ack', value: { assignment: applied, owned: { partitions: [...owned] } } });
  }

  #sendCommit({ number, offsets }: PendingCommit): void {
    const memberEpoch = this.#membership.epoch;
    // Nothing is owned before the first assignment, and so nothing is committed.
    if (memberEpoch === undefined) return;
    const listed = offsets.map(({ topicId, partition, offset }) => ({ partition: { topicId, partition }, offset }));
    this.#say({ case: 'commit', value: { offsets: listed, memberEpoch, number } });
  }

  #say(frame: Frame): void {
    this.#liveness?.said();
    this.#stream?.send({ frame });
  }

  #tick(): void {
    if (!this.isAlive() || this.#stream === undefined) return;
    if (this.#liveness?.peerIsSilent === true) {
      this.#stream.cancel(new MoldauError('UNREACHABLE', 'the group coordinator was silent for too long'));
      return;
    }
    if (this.#isWelcome)
      this.#say({ case: 'ping', value: { number: this.#membership.ping(this.#ports.clock.monotonicMs()) } });
  }

  /** Whether another stream, or another membership, may help. */
  #mayPass(error: unknown): boolean {
    if (!(error instanceof MoldauError)) return false;
    if (error.reason === 'UNKNOWN_MEMBER' || error.reason === 'FENCED_MEMBER') {
      this.#lose(error);
      return true;
    }
    return error.retriable;
  }

  /** The membership is over: begins another one. */
  #lose(error: MoldauError): void {
    const { owned } = this.#membership;
    this.#membership = this.#newMembership();
    this.#failCommits(error);
    // Whoever follows it comes again, as the new member.
    this.#stream?.cancel(new MoldauError('UNREACHABLE', 'the membership is over', {}, { cause: error }));
    this.#logger.warn('a member has lost its partitions, and joins anew', { group: this.#options.group, error });
    this.#events.lost(owned, error);
  }

  #fail(cause: unknown): void {
    const error = cause instanceof MoldauError ? cause : new MoldauError('INTERNAL', String(cause), {}, { cause });
    this.#cancelTick();
    this.#closing.abort();
    const { owned } = this.#membership;
    this.#failCommits(error);
    if (owned.length > 0) this.#events.lost(owned, error);
    this.#events.failed(error);
  }

  #failCommits(error: MoldauError): void {
    for (const { settled } of this.#commits.values()) settled.reject(error);
    this.#commits.clear();
  }
}

/** A coordinator that does not answer a leave learns of it by the end of the session. */
const leaveMs: Millis = 2_000;
