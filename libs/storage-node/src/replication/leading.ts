import {
  assert,
  type Clock,
  type Logger,
  leaderEpoch,
  type Millis,
  type NodeId,
  type Offset,
  offset,
} from '@moldau/kernel';
import type { PartitionLog } from '@moldau/log';
import type { IsrMember } from '@moldau/metadata';
import { BatchHeader } from '@moldau/records';
import {
  type CommittedState,
  type Hello,
  type IsrDecision,
  type LeaderEffect,
  type LeaderEvent,
  LeaderMachine,
  type Match,
  type RefusalReason,
  type ResignationReason,
} from '@moldau/replication';

/** A follower's session, as its leader's stream keeps it. */
export interface FollowerSession {
  /** Unique on this node. */
  readonly id: number;
  readonly node: NodeId;
  /** What it has acknowledged. `undefined`: nothing yet. */
  readonly ackedEnd: Offset | undefined;
  refuse(reason: RefusalReason | 'not-leader'): void;
  welcome(match: Match): void;
  /** Batches go out from here on, as they are written. */
  push(from: Offset): void;
  /** More was written. */
  wake(): void;
  /** The high watermark or the log start has moved. */
  owe(): void;
}

/** What a leadership needs of its node. */
export interface LeadingPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly me: IsrMember;
  readonly sessionTimeoutMs: Millis;
  /** So many replicas are in sync now. */
  isrChanged(before: number, after: number): void;
  propose(
    log: PartitionLog,
    epoch: number,
    proposal: LeaderEffect & { kind: 'propose' },
    decided: (decision: IsrDecision) => void,
  ): void;
}

/** What its partition knows. */
export interface LeadingOptions {
  readonly epoch: number;
  readonly epochStart: Offset;
  readonly lagMaxMs: Millis;
  readonly mayGiveWay: boolean;
}

/** What its partition hears. */
export interface LeadingEvents {
  committed(highWatermark: Offset): void;
  /** This epoch is over for this node. */
  resigned(why: ResignationReason): void;
}

/** Drives the machine of one leadership: brings it what happens, and does what it says. Decides nothing. */
export class Leading {
  readonly #log: PartitionLog;
  readonly #ports: LeadingPorts;
  readonly #events: LeadingEvents;
  readonly #machine: LeaderMachine;
  readonly #sessions = new Map<number, FollowerSession>();
  #trims: { readonly before: Offset; readonly done: () => void }[] = [];
  #ended = false;
  #startBatch: { readonly at: Offset; readonly begins: Promise<Offset> } | undefined;

  /** The log takes appends under this epoch already. */
  constructor(
    log: PartitionLog,
    state: CommittedState,
    options: LeadingOptions,
    ports: LeadingPorts,
    events: LeadingEvents,
  ) {
    this.#log = log;
    this.#ports = ports;
    this.#events = events;
    const { me, sessionTimeoutMs, clock } = ports;
    const epoch = leaderEpoch(options.epoch);
    this.#machine = new LeaderMachine(log, state, { ...options, epoch, me, sessionTimeoutMs }, clock.monotonicMs());
  }

  get epoch(): number {
    return this.#machine.epoch;
  }

  get committed(): CommittedState {
    return this.#machine.committed;
  }

  get hasEnoughReplicas(): boolean {
    return this.#machine.hasEnoughReplicas;
  }

  /** Whether it knows everything that is committed: offsets at the upper end can be judged. */
  get knowsCommitted(): boolean {
    return this.#log.highWatermark >= this.#machine.epochStart;
  }

  /** By how many offsets the follower that is farthest behind lacks what is written here. */
  get lagOffsets(): bigint {
    let least: Offset = this.#log.writtenEnd;
    for (const { ackedEnd = this.#log.logStart } of this.#sessions.values()) if (ackedEnd < least) least = ackedEnd;
    return this.#log.writtenEnd - least;
  }

  get maximalIsr(): ReadonlySet<NodeId> {
    return this.#machine.maximalIsr;
  }

  configure(lagMaxMs: Millis): void {
    this.#machine.lagMaxMs = lagMaxMs;
  }

  /** Resolves when everyone who may be elected has removed what lies below `before`, this node leads no more, or `signal` says so. */
  trimmedTo(before: Offset, signal: AbortSignal): Promise<void> {
    // Its call has ended meanwhile: nobody would take it out of the list.
    if (signal.aborted) return Promise.resolve();
    for (const session of this.#sessions.values()) session.owe();
    return new Promise((resolve) => {
      const trim = { before, done: resolve };
      this.#trims.push(trim);
      const forget = (): void => {
        this.#trims = this.#trims.filter((one) => one !== trim);
        resolve();
      };
      signal.addEventListener('abort', forget, { once: true });
      this.#lookAtTrims();
    });
  }

  /** Where the batch begins that holds `at`, the start of the log. Looked up once, however many copies begin anew. */
  batchAt(at: Offset): Promise<Offset> {
    if (this.#startBatch?.at === at) return this.#startBatch.begins;
    const begins = batchStart(this.#log, at);
    this.#startBatch = { at, begins };
    begins.catch(() => {
      if (this.#startBatch?.begins === begins) this.#startBatch = undefined;
    });
    return begins;
  }

  hello(session: FollowerSession, hello: Hello): void {
    this.#sessions.set(session.id, session);
    this.#step({ kind: 'hello', hello });
  }

  /** Of a session: `ready`, `acked`; or that it is over: `left`, `full`. */
  heard(event: LeaderEvent & { kind: 'ready' | 'acked' | 'left' | 'full' }): void {
    this.#step(event);
    if (event.kind === 'left' || event.kind === 'full') this.#sessions.delete(event.session);
  }

  /** Something was written: it can be pushed. */
  written(): void {
    for (const session of this.#sessions.values()) session.wake();
    this.#step({ kind: 'log-moved' });
  }

  synced(): void {
    this.#step({ kind: 'log-moved' });
  }

  adopt(state: CommittedState): void {
    this.#step({ kind: 'state', state });
  }

  tick(): void {
    this.#step({ kind: 'tick' });
  }

  /** This node does not lead any more: followers look for who does. */
  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const session of this.#sessions.values()) session.refuse('not-leader');
    this.#sessions.clear();
    this.#lookAtTrims();
  }

  #step(event: LeaderEvent): void {
    if (this.#ended) return;
    const before = this.committed.isr.length;
    for (const effect of this.#machine.step(event, this.#ports.clock.monotonicMs())) this.#do(effect);
    this.#ports.isrChanged(before, this.committed.isr.length);
    if (this.#trims.length > 0) this.#lookAtTrims();
  }

  #lookAtTrims(): void {
    const start = this.#machine.othersLogStart;
    const isDone = ({ before }: { before: Offset }): boolean => this.#ended || start === undefined || start >= before;
    const done = this.#trims.filter(isDone);
    this.#trims = this.#trims.filter((trim) => !isDone(trim));
    for (const trim of done) trim.done();
  }

  #do(effect: LeaderEffect): void {
    if (this.#ended) return;
    switch (effect.kind) {
      case 'refuse':
        this.#session(effect.session)?.refuse(effect.reason);
        this.#sessions.delete(effect.session);
        break;
      case 'welcome':
        this.#session(effect.session)?.welcome(effect.match);
        break;
      case 'push':
        this.#session(effect.session)?.push(effect.from);
        break;
      case 'commit':
        this.#log.advanceHighWatermark(effect.highWatermark);
        for (const session of this.#sessions.values()) session.owe();
        this.#events.committed(effect.highWatermark);
        break;
      case 'propose':
        this.#propose(effect);
        break;
      case 'resign':
        this.#events.resigned(effect.why);
        break;
    }
  }

  #propose(proposal: LeaderEffect & { kind: 'propose' }): void {
    const { partitionEpoch: on, isr, unfit } = proposal;
    this.#ports.logger.debug('proposes in-sync replicas', {
      partition: this.#log.key,
      epoch: this.epoch,
      isr: isr.map(({ node }) => node).join(),
      unfit: unfit.join(),
    });
    this.#ports.propose(this.#log, this.epoch, proposal, (decision) =>
      this.#step({ kind: 'isr-decided', on, decision }),
    );
  }

  #session(id: number): FollowerSession | undefined {
    const session = this.#sessions.get(id);
    assert(session !== undefined, 'the machine speaks of sessions that it was told of');
    return session;
  }
}

async function batchStart(log: PartitionLog, at: Offset): Promise<Offset> {
  const { chunks } = await log.read(at, { maxBytes: 1, below: log.writtenEnd });
  const [first] = chunks;
  return first === undefined ? at : offset(new BatchHeader(first, 0).baseOffset);
}
