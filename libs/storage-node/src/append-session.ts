import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Clock, faults, Gate, hasReason, type MoldauError, repeat, type Timers } from '@moldau/kernel';
import type {
  AppendEntry,
  AppendSessionRequest,
  AppendSessionResponseSchema,
  OpenPartition,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { appendTimeout } from '@moldau/routing';
import { type CallContext, type Session, SessionLiveness, toWireError } from '@moldau/rpc';
import type { AppendBudget } from './append-budget.ts';
import { AppendCredit } from './append-credit.ts';
import { type Ack, type ClosedHandle, type Handle, handleClosed, type Pending, succeeded } from './append-handle.ts';
import type { Appended, Settle } from './parked-appends.ts';
import type { Writer } from './partition.ts';
import type { Partitions } from './partitions.ts';
import { acksFrom, leaderOf, offsetFrom, tokenFrom } from './wire.ts';

type Response = MessageInitShape<typeof AppendSessionResponseSchema>;

/** What an append session works with. */
export interface AppendSessionPorts {
  readonly partitions: Partitions;
  readonly budget: AppendBudget;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The error that may leave the process: what only a bug can cause is logged, and leaves as INTERNAL. */
  readonly seal: (error: unknown) => MoldauError;
  /** Throws while no append may begin: the disk is full, the node is leaving. */
  readonly admit: () => void;
  /** Bytes of batches that one client may have in flight at most; less, when many clients share the budget. */
  readonly windowBytes: number;
}

const maxHandles = 10_000;
/** Entries of one frame: what takes one turn of the loop. */
const maxEntries = 10_000;
/** What an entry costs beside its bytes until it is answered. */
const entryCostBytes = 512;
const expiryEveryMs = 250;

/**
 * One client's pipelined appends. A failed entry ends its handle: whatever follows on it is refused until the client
 * opens a new one, so that nothing is written over a hole.
 */
export class AppendStream {
  readonly #session: Session<Response, AppendSessionRequest>;
  readonly #ports: AppendSessionPorts;
  readonly #keeps: CallContext['keeps'];
  readonly #writer: Writer;
  readonly #handles = new Map<number, Handle>();
  readonly #liveness: SessionLiveness;
  readonly #answered = new Gate();
  #answers: Ack[] = [];
  #flushScheduled = false;
  /** The client has said all that it wanted to say. */
  #hasEnded = false;
  /** The client does not read what we say. */
  #congested = false;
  /** A frame waits for room in the budget, and what comes behind it with it. */
  #waitsForRoom = false;
  readonly #credit: AppendCredit;
  #unanswered = 0;
  #lastClosed: ClosedHandle | undefined;

  /** `keeps` hears how many bytes the session keeps that are not in the budget. */
  constructor(
    session: Session<Response, AppendSessionRequest>,
    ports: AppendSessionPorts,
    keeps: CallContext['keeps'],
    writer: Writer,
  ) {
    this.#session = session;
    this.#ports = ports;
    this.#keeps = keeps;
    this.#writer = writer;
    this.#credit = new AppendCredit(ports.budget, ports.windowBytes);
    this.#liveness = new SessionLiveness(ports.clock, 'client');
  }

  /** Serves the session until the client has ended it and every entry is answered, or until the stream broke. */
  async run(): Promise<void> {
    const session = this.#session;
    const { timers } = this.#ports;
    const leaveBudget = this.#credit.begin();
    this.#sayCredit();
    const cancelTick = repeat(timers, expiryEveryMs, () => this.#tick());
    const frames = session.incoming[Symbol.asyncIterator]();
    try {
      while (await this.#receive(frames)) {
        // Not reading on is what stops the client: by credit first, then by the transport's window.
        if (this.#congested) await session.drained();
        // It was us who did not listen.
        this.#liveness.heard();
      }
      this.#hasEnded = true;
      while (this.#unanswered > 0 && !session.signal.aborted) await this.#answered.wait();
      session.end();
    } finally {
      cancelTick();
      leaveBudget();
      this.#answered.open();
    }
  }

  /** Does what the next frame says, and keeps nothing of it. False: there is none. */
  async #receive(frames: AsyncIterator<AppendSessionRequest>): Promise<boolean> {
    const next = await frames.next();
    if (next.done === true) return false;
    const { frame } = next.value;
    this.#liveness.heard();
    if (frame.case === 'batches') await this.#appendAll(frame.value.entries);
    else if (frame.case === 'open') this.#open(frame.value);
    else if (frame.case === 'close') this.#close(frame.value.handle);
    return true;
  }

  /** Asks the client to go elsewhere. What is in flight is still answered. */
  drain(graceMs: number): void {
    this.#say({ case: 'drain', value: { graceMs } });
  }

  #open({ handle: number, topicId, partition: index, leaderEpoch, fencingToken }: OpenPartition): void {
    try {
      if (this.#handles.has(number)) throw faults.invalidRequest('handle', `${number} is open already`);
      if (this.#handles.size >= maxHandles)
        throw faults.invalidRequest('handle', `is one too many: at most ${maxHandles} in a session`);
      const partition = this.#ports.partitions.byId(topicId, index);
      partition.requireWriter(this.#writer, 'append to');
      partition.requireLeader(leaderEpoch);
      const handle: Handle = {
        number,
        partition,
        believedEpoch: leaderEpoch,
        ...tokenFrom(fencingToken),
        pending: [],
        ended: false,
        closing: false,
      };
      this.#handles.set(number, handle);
      if (handle.fencingToken !== undefined) this.#raiseToken(handle, handle.fencingToken);
    } catch (error) {
      this.#sayMoved(number, error);
    }
  }

  /** Answered when the token is committed; meanwhile entries are taken, and stand behind it. */
  #raiseToken(handle: Handle, fencingToken: bigint): void {
    const { number, partition } = handle;
    const settle: Settle = (error, appended) => {
      // A number that was closed may be another handle's by now.
      if (this.#handles.get(number) !== handle || handle.closing) return;
      const raisedAt = appended?.baseOffset;
      if (raisedAt !== undefined)
        return this.#say({ case: 'opened', value: { handle: number, fencingToken, raisedAt } });
      this.#close(number);
      this.#sayMoved(number, error);
    };
    try {
      partition.raiseToken(fencingToken, this.#ports.admit, settle);
    } catch (error) {
      settle(error as MoldauError, undefined);
    }
  }

  #sayMoved(handle: number, error: unknown): void {
    this.#say({ case: 'moved', value: { handle, error: toWireError(this.#ports.seal(error)), ...leaderOf(error) } });
  }

  #close(number: number): void {
    const handle = this.#handles.get(number);
    if (handle === undefined) return;
    handle.ended = true;
    handle.closing = true;
    if (handle.pending.length === 0) this.#handles.delete(number);
  }

  /** Appends the entries of one frame, once there is room for all of them. */
  async #appendAll(entries: readonly AppendEntry[]): Promise<void> {
    if (entries.length > maxEntries) {
      throw faults.invalidRequest('entries', `has ${entries.length}: at most ${maxEntries} in one frame`);
    }
    const { budget } = this.#ports;
    const session = this.#session;
    const bytes = entries.reduce((sum, { batch }) => sum + costOf(batch), 0);
    if (!budget.tryHold(bytes)) {
      this.#waitsForRoom = true;
      this.#keeps(bytes);
      const isHeld = await budget.holdInTurn(bytes, session.signal);
      this.#waitsForRoom = false;
      this.#keeps(0);
      if (!isHeld) return;
    }
    for (const entry of entries) {
      // Whoever sends without credit would fill whatever holds it back.
      if (this.#credit.isOverdrawn) {
        session.cancel(faults.overloaded('the window of this session', this.#credit.windowBytes));
      }
      if (session.signal.aborted) budget.free(costOf(entry.batch));
      else this.#append(entry);
    }
  }

  /** `entry` is held already. */
  #append({ handle: number, sequence, batch, acks, timeoutMs, expectedOffset }: AppendEntry): void {
    const { admit, budget, clock } = this.#ports;
    const handle = this.#handles.get(number);
    const bytes = batch.length;
    const cost = costOf(batch);
    this.#credit.spend(bytes);
    if (handle === undefined) {
      budget.free(cost);
      this.#answer({ sequence, error: this.#closed(number).told }, bytes);
      return;
    }
    const limitMs = appendTimeout(timeoutMs);
    const expiresAt = clock.monotonicMs() + limitMs;
    const pending: Pending = { sequence, timeoutMs: limitMs, expiresAt, ack: undefined };
    handle.pending.push(pending);
    this.#unanswered += 1;
    const settle = (error: unknown, appended: Appended | undefined): void => {
      budget.free(cost);
      this.#settle(handle, pending, bytes, error, appended);
    };
    try {
      if (handle.ended) throw this.#closed(number).error;
      handle.partition.requireLeader(handle.believedEpoch);
      const options = {
        admit,
        acks: acksFrom(acks),
        ...(expectedOffset !== undefined && { expectedOffset: offsetFrom('expected_offset', expectedOffset) }),
        ...(handle.fencingToken !== undefined && { fencingToken: handle.fencingToken }),
      };
      handle.partition.append(batch, options, settle);
    } catch (error) {
      settle(error, undefined);
    }
  }

  #settle(handle: Handle, pending: Pending, bytes: number, error: unknown, appended: Appended | undefined): void {
    this.#credit.giveBack(bytes);
    // Given up on before: its answer was TIMED_OUT.
    if (pending.ack !== undefined) return;
    pending.ack = appended === undefined ? this.#failed(handle, pending, error) : succeeded(pending, appended);
    this.#answerHead(handle);
  }

  #failed(handle: Handle, { sequence }: Pending, error: unknown): Ack {
    // A duplicate whose offset is forgotten is written: nothing is missing behind it.
    if (!hasReason(error, 'DUPLICATE_SEQUENCE')) handle.ended = true;
    return { sequence, error: toWireError(this.#ports.seal(error)) };
  }

  /** Answers whatever is known at the head of a handle: never an entry before the one ahead of it. */
  #answerHead(handle: Handle): void {
    let done = 0;
    for (const { ack } of handle.pending) {
      if (ack === undefined) break;
      this.#answers.push(ack);
      done += 1;
    }
    handle.pending.splice(0, done);
    this.#unanswered -= done;
    if (handle.closing && handle.pending.length === 0) this.#handles.delete(handle.number);
    this.#scheduleFlush();
  }

  /** Thousands of entries may be on their way to a handle that has just ended: they get one and the same error. */
  #closed(handle: number): ClosedHandle {
    if (this.#lastClosed?.number !== handle) {
      const error = handleClosed(handle);
      this.#lastClosed = { number: handle, error, told: toWireError(error) };
    }
    return this.#lastClosed;
  }

  #answer(ack: Ack, bytes: number): void {
    this.#answers.push(ack);
    this.#credit.giveBack(bytes);
    this.#scheduleFlush();
  }

  #sayCredit(): void {
    const creditBytes = this.#credit.takeUnsaid();
    if (creditBytes !== undefined) this.#say({ case: 'window', value: { creditBytes: BigInt(creditBytes) } });
  }

  /** Everything that settles in one turn, a whole sync round of many partitions, goes out as one frame. */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#answers.length > 0) {
      const acks = this.#answers;
      this.#answers = [];
      this.#say({ case: 'acks', value: { acks } });
    }
    this.#sayCredit();
    if (this.#unanswered === 0) this.#answered.open();
  }

  #tick(): void {
    const now = this.#ports.clock.monotonicMs();
    for (const handle of this.#handles.values()) {
      for (const pending of handle.pending) {
        if (pending.ack !== undefined || pending.expiresAt > now) continue;
        pending.ack = this.#failed(handle, pending, faults.timedOut(handle.partition.name, pending.timeoutMs));
      }
      this.#answerHead(handle);
    }
    if (this.#liveness.owesHeartbeat) this.#say({ case: 'heartbeat', value: {} });
    const listens = !this.#hasEnded && !this.#waitsForRoom && !this.#congested;
    if (listens && this.#liveness.peerIsSilent)
      this.#session.cancel(faults.notServing('this session', 'silent for too long'));
  }

  #say(frame: Exclude<Response['frame'], undefined>): void {
    this.#liveness.said();
    this.#congested = !this.#session.send({ frame });
  }
}

const costOf = (batch: Uint8Array): number => batch.length + entryCostBytes;
