import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Clock, faults, Gate, hasReason, MoldauError, repeat, type Timers } from '@moldau/kernel';
import type {
  AppendAckSchema,
  AppendEntry,
  AppendSessionRequest,
  AppendSessionResponseSchema,
  OpenPartition,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { appendTimeout } from '@moldau/routing';
import { type Session, SessionLiveness, toWireError } from '@moldau/rpc';
import type { AppendBudget } from './append-budget.ts';

import type { Appended, Partition } from './partition.ts';
import type { Partitions } from './partitions.ts';
import { leaderOf, offsetFrom } from './wire.ts';

type Response = MessageInitShape<typeof AppendSessionResponseSchema>;
type Ack = MessageInitShape<typeof AppendAckSchema>;

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
  /** Bytes of batches that one client may have in flight. */
  readonly windowBytes: number;
}

/** One entry that the client waits for. Answered once `ack` is known and nothing on its handle is before it. */
interface Pending {
  readonly sequence: bigint;
  readonly expiresAt: number;
  readonly timeoutMs: number;
  ack: Ack | undefined;
}

/** An open partition of the session. */
interface Handle {
  readonly number: number;
  readonly partition: Partition;
  readonly believedEpoch: number | undefined;
  /** In the order of the entries. */
  readonly pending: Pending[];
  /** What follows is refused: an entry has failed, or the client has closed the handle. */
  ended: boolean;
  /** The client has closed it; it goes when its last entry is answered. */
  closing: boolean;
}

const maxHandles = 10_000;
/** Entries of one frame: what takes one turn of the loop. */
const maxEntries = 10_000;
const expiryEveryMs = 250;

/**
 * One client's pipelined appends. A failed entry ends its handle: whatever follows on it is refused until the client
 * opens a new one, so that nothing is written over a hole.
 */
export class AppendStream {
  readonly #session: Session<Response, AppendSessionRequest>;
  readonly #ports: AppendSessionPorts;
  readonly #handles = new Map<number, Handle>();
  readonly #liveness: SessionLiveness;
  readonly #answered = new Gate();
  #answers: Ack[] = [];
  #flushScheduled = false;
  /** The client has said all that it wanted to say. */
  #hasEnded = false;
  /** The client does not read what we say. */
  #congested = false;
  #unanswered = 0;
  #creditBytes: number;
  #returnedBytes = 0;

  constructor(session: Session<Response, AppendSessionRequest>, ports: AppendSessionPorts) {
    this.#session = session;
    this.#ports = ports;
    this.#creditBytes = ports.windowBytes;
    this.#liveness = new SessionLiveness(ports.clock);
  }

  /** Serves the session until the client has ended it and every entry is answered, or until the stream broke. */
  async run(): Promise<void> {
    const session = this.#session;
    const { budget, timers } = this.#ports;
    this.#say({ case: 'window', value: { creditBytes: BigInt(this.#creditBytes) } });
    const cancelTick = repeat(timers, expiryEveryMs, () => this.#tick());
    try {
      for await (const { frame } of session.incoming) {
        this.#liveness.heard();
        if (frame.case === 'batches') this.#appendAll(frame.value.entries);
        else if (frame.case === 'open') this.#open(frame.value);
        else if (frame.case === 'close') this.#close(frame.value.handle);
        // Not reading on is what stops the client: by credit first, then by the transport's window.
        while (budget.isFull && !session.signal.aborted) await budget.room();
        if (this.#congested) await session.drained();
        // It was us who did not listen.
        this.#liveness.heard();
      }
      this.#hasEnded = true;
      while (this.#unanswered > 0 && !session.signal.aborted) await this.#answered.wait();
      session.end();
    } finally {
      cancelTick();
      this.#answered.open();
    }
  }

  /** Asks the client to go elsewhere. What is in flight is still answered. */
  drain(graceMs: number): void {
    this.#say({ case: 'drain', value: { graceMs } });
  }

  #open({ handle: number, topicId, partition: index, leaderEpoch, fencingToken }: OpenPartition): void {
    try {
      if (this.#handles.has(number)) throw faults.invalidRequest('handle', `${number} is open already`);
      if (this.#handles.size >= maxHandles) throw faults.invalidRequest('handle', `is one above ${maxHandles}`);
      if (fencingToken !== undefined) throw faults.unimplemented('OpenPartition with a fencing token');
      const partition = this.#ports.partitions.byId(topicId, index);
      partition.requireLeader(leaderEpoch);
      const fresh = { number, partition, believedEpoch: leaderEpoch, pending: [], ended: false, closing: false };
      this.#handles.set(number, fresh);
    } catch (error) {
      this.#say({
        case: 'moved',
        value: { handle: number, error: toWireError(this.#ports.seal(error)), ...leaderOf(error) },
      });
    }
  }

  #close(number: number): void {
    const handle = this.#handles.get(number);
    if (handle === undefined) return;
    handle.ended = true;
    handle.closing = true;
    if (handle.pending.length === 0) this.#handles.delete(number);
  }

  #appendAll(entries: readonly AppendEntry[]): void {
    if (entries.length > maxEntries) {
      throw faults.invalidRequest('entries', `has ${entries.length}: at most ${maxEntries} in one frame`);
    }
    for (const entry of entries) this.#append(entry);
  }

  #append({ handle: number, sequence, batch, timeoutMs, expectedOffset }: AppendEntry): void {
    const { admit, budget, clock, windowBytes } = this.#ports;
    const handle = this.#handles.get(number);
    const bytes = batch.length;
    const overdrawn = this.#creditBytes <= 0;
    this.#creditBytes -= bytes;
    if (handle === undefined) {
      this.#answer({ sequence, error: toWireError(handleClosed(number)) }, bytes);
      return;
    }
    const limitMs = appendTimeout(timeoutMs);
    const expiresAt = clock.monotonicMs() + limitMs;
    const pending: Pending = { sequence, timeoutMs: limitMs, expiresAt, ack: undefined };
    handle.pending.push(pending);
    this.#unanswered += 1;
    budget.hold(bytes);
    const settle = (error: unknown, appended: Appended | undefined): void => {
      budget.free(bytes);
      this.#settle(handle, pending, bytes, error, appended);
    };
    try {
      if (handle.ended) throw handleClosed(number);
      if (overdrawn) throw faults.overloaded('the window of this session', windowBytes);
      handle.partition.requireLeader(handle.believedEpoch);
      const options = {
        admit,
        ...(expectedOffset !== undefined && { expectedOffset: offsetFrom('expected_offset', expectedOffset) }),
      };
      handle.partition.append(batch, options, settle);
    } catch (error) {
      settle(error, undefined);
    }
  }

  #settle(handle: Handle, pending: Pending, bytes: number, error: unknown, appended: Appended | undefined): void {
    this.#returnCredit(bytes);
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

  #answer(ack: Ack, bytes: number): void {
    this.#answers.push(ack);
    this.#returnCredit(bytes);
    this.#scheduleFlush();
  }

  #returnCredit(bytes: number): void {
    this.#creditBytes += bytes;
    this.#returnedBytes += bytes;
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
    if (this.#returnedBytes >= this.#ports.windowBytes / 8) {
      this.#say({ case: 'window', value: { creditBytes: BigInt(this.#returnedBytes) } });
      this.#returnedBytes = 0;
    }
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
    const listens = !this.#hasEnded && !this.#ports.budget.isFull && !this.#congested;
    if (listens && this.#liveness.peerIsSilent)
      this.#session.cancel(faults.notServing('this session', 'silent for too long'));
  }

  #say(frame: Exclude<Response['frame'], undefined>): void {
    this.#liveness.said();
    this.#congested = !this.#session.send({ frame });
  }
}

const succeeded = ({ sequence }: Pending, { baseOffset, lastOffset, logEnd, timestampMs }: Appended): Ack => ({
  sequence,
  logEnd,
  ...(baseOffset !== undefined && { baseOffset }),
  ...(lastOffset !== undefined && { lastOffset }),
  ...(timestampMs !== undefined && { timestampMs: BigInt(timestampMs) }),
});

const handleClosed = (handle: number): MoldauError =>
  new MoldauError('HANDLE_CLOSED', `handle ${handle} is closed, because an entry on it failed: open a new one`, {
    handle,
  });
