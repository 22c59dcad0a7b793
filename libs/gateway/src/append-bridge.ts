import type { MessageInitShape } from '@bufbuild/protobuf';
import { faults, Gate, hasReason, type Millis, type MoldauError, repeat } from '@moldau/kernel';
import type {
  AppendAck,
  AppendEntry,
  AppendMoved,
  AppendOpened,
  AppendSessionRequest,
  AppendSessionResponseSchema,
  OpenPartition,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { appendTimeout } from '@moldau/routing';
import { type CallContext, type Session, SessionLiveness, toWireError } from '@moldau/rpc';
import { AppendAnswers } from './append-answers.ts';
import { failedAck, handleClosed, lostNode, notTaken, outOfReach } from './append-errors.ts';
import { AppendHandle, type Pending } from './append-handle.ts';
import { AppendUpstream, type Forwarded } from './append-upstream.ts';
import type { GatewayParts } from './parts.ts';
import { leaderById, movedFrom } from './routes.ts';

type Response = MessageInitShape<typeof AppendSessionResponseSchema>;

const maxHandles = 10_000;
/** Entries of one frame: what takes one turn of the loop. */
const maxEntries = 10_000;
const tickEveryMs: Millis = 250;
/** A node that takes nothing for so long is not waited for while others could go on. */
const stalledAfterMs: Millis = 2_000;

/**
 * One client's session of appends, carried on by a session with each node that leads one of its partitions. What a node
 * says of an entry is what the client hears; what becomes of a node, the client hears handle by handle.
 */
export class AppendBridge {
  readonly #session: Session<Response, AppendSessionRequest>;
  readonly #parts: GatewayParts;
  readonly #keeps: CallContext['keeps'];
  readonly #handles = new Map<number, AppendHandle>();
  /** One for each node; those that drain besides. */
  readonly #upstreams = new Set<AppendUpstream>();
  readonly #answers: AppendAnswers;
  readonly #liveness: SessionLiveness;
  readonly #answered = new Gate();
  #unanswered = 0;
  /** The client has said all that it wanted to say. */
  #hasEnded = false;
  /** The client does not read what we say. */
  #isCongested = false;
  /** A frame waits for its turn in the memory of the process, and what comes behind it with it. */
  #waitsForRoom = false;

  /** `keeps` hears how many bytes the session keeps that are not in the memory for appends. */
  constructor(session: Session<Response, AppendSessionRequest>, parts: GatewayParts, keeps: CallContext['keeps']) {
    this.#session = session;
    this.#parts = parts;
    this.#keeps = keeps;
    this.#liveness = new SessionLiveness(parts.clock, 'client');
    this.#answers = new AppendAnswers(parts.windowBytes, {
      acks: (acks) => this.#say({ case: 'acks', value: { acks } }),
      window: (creditBytes) => this.#say({ case: 'window', value: { creditBytes: BigInt(creditBytes) } }),
    });
  }

  /** Serves the session until the client has ended it and every entry is answered, or until the stream broke. */
  async run(): Promise<void> {
    const session = this.#session;
    const { timers, windowBytes } = this.#parts;
    this.#say({ case: 'window', value: { creditBytes: BigInt(windowBytes) } });
    const cancelTick = repeat(timers, tickEveryMs, () => this.#tick());
    try {
      for await (const { frame } of session.incoming) {
        this.#liveness.heard();
        if (frame.case === 'batches') await this.#appendAll(frame.value.entries);
        else if (frame.case === 'open') this.#open(frame.value);
        else if (frame.case === 'close') this.#close(frame.value.handle);
        // Not reading on is what stops the client: by credit first, then by the transport's window.
        if (this.#isCongested) await session.drained();
        // It was us who did not listen.
        this.#liveness.heard();
      }
      this.#hasEnded = true;
      while (this.#unanswered > 0 && !session.signal.aborted) await this.#answered.wait();
      this.#answers.flush();
      session.end();
    } finally {
      cancelTick();
      const upstreams = [...this.#upstreams];
      this.#upstreams.clear();
      for (const upstream of upstreams) upstream.cancel();
    }
  }

  /** Asks the client to go elsewhere. What is in flight is still answered. */
  drain(graceMs: Millis): void {
    this.#say({ case: 'drain', value: { graceMs } });
  }

  #open(open: OpenPartition): void {
    const { handle: number, topicId, partition } = open;
    try {
      if (this.#handles.has(number)) throw faults.invalidRequest('handle', `${number} is open already`);
      if (this.#handles.size >= maxHandles) throw faults.invalidRequest('handle', `is one above ${maxHandles}`);
      const { node, address } = leaderById(this.#parts.view, topicId, partition);
      const upstream = this.#upstream(node, address);
      this.#handles.set(number, new AppendHandle(open, upstream));
      upstream.open(open);
    } catch (error) {
      this.#sayMoved(number, this.#parts.seal(error));
    }
  }

  /** The session with a node that takes new partitions. */
  #upstream(node: number, address: string): AppendUpstream {
    for (const known of this.#upstreams) if (known.node === node && !known.isOver && !known.isDraining) return known;
    const channel = this.#parts.connections.to(address, 'data');
    const upstream: AppendUpstream = new AppendUpstream(node, channel, this.#parts.clock, {
      seal: (error) => this.#parts.seal(error),
      acked: ({ handle, pending }, ack) => this.#settle(handle, pending, ack),
      moved: (moved) => this.#moved(upstream, moved),
      opened: (opened) => this.#opened(upstream, opened),
      drained: () => this.#drained(upstream),
      sent: (bytes) => this.#free(bytes),
      expired: (forwarded) => this.#refuse(forwarded, notTaken(node)),
      lost: (error, unanswered, unsent) => this.#lost(upstream, error, unanswered, unsent),
    });
    this.#upstreams.add(upstream);
    return upstream;
  }

  #close(number: number): void {
    const handle = this.#handles.get(number);
    if (handle === undefined || handle.isClosing) return;
    handle.close();
    handle.upstream.close(number);
    this.#forgetIfDone(handle);
  }

  /** Takes the entries of one frame, once there is room for all of them. */
  async #appendAll(entries: readonly AppendEntry[]): Promise<void> {
    if (entries.length > maxEntries) {
      throw faults.invalidRequest('entries', `has ${entries.length}: at most ${maxEntries} in one frame`);
    }
    if (!(await this.#holdInTurn(entries.reduce((sum, { batch }) => sum + batch.length, 0)))) return;
    const touched = new Set<AppendUpstream>();
    for (const entry of entries) {
      const upstream = this.#append(entry);
      if (upstream !== undefined) touched.add(upstream);
    }
    for (const upstream of touched) upstream.flush();
  }

  /** False: the session is over, and nothing is held. */
  async #holdInTurn(bytes: number): Promise<boolean> {
    const { appendBudget } = this.#parts;
    if (appendBudget.tryHold(bytes)) return true;
    this.#waitsForRoom = true;
    this.#keeps(bytes);
    const isHeld = await appendBudget.holdInTurn(bytes, this.#session.signal);
    this.#waitsForRoom = false;
    this.#keeps(0);
    return isHeld;
  }

  /** `entry` is held already. Returns the session that it waits in, if it was taken. */
  #append(entry: AppendEntry): AppendUpstream | undefined {
    const { handle: number, sequence, batch, timeoutMs } = entry;
    const { clock, windowBytes } = this.#parts;
    const handle = this.#handles.get(number);
    const isOverdrawn = this.#answers.creditBytes <= 0;
    this.#answers.use(batch.length);
    if (handle === undefined) {
      this.#parts.metrics.refused('HANDLE_CLOSED');
      this.#free(batch.length);
      this.#answers.add([failedAck(sequence, handleClosed(number))]);
      return undefined;
    }
    const { upstream } = handle;
    const pending = handle.add(sequence);
    this.#unanswered += 1;
    const forwarded = { handle, pending, entry, expiresAt: clock.monotonicMs() + appendTimeout(timeoutMs) };
    if (isOverdrawn) this.#refuse(forwarded, faults.overloaded('the window of this session', windowBytes));
    else if (upstream.isRefusing) this.#refuse(forwarded, notTaken(upstream.node));
    else if (handle.hasEnded) this.#refuse(forwarded, handleClosed(number));
    else {
      upstream.add(forwarded);
      return upstream;
    }
    return undefined;
  }

  /** Answers an entry that has not left this process. */
  #refuse({ handle, pending, entry }: Forwarded, error: MoldauError): void {
    this.#free(entry.batch.length);
    const told = handle.hasEnded ? handleClosed(handle.number) : error;
    this.#parts.metrics.refused(told.reason);
    this.#settle(handle, pending, failedAck(pending.sequence, told));
  }

  #settle(handle: AppendHandle, pending: Pending, ack: AppendAck): void {
    const answers = handle.settle(pending, ack);
    this.#unanswered -= answers.length;
    this.#answers.add(answers);
    this.#forgetIfDone(handle);
    if (this.#unanswered === 0) this.#answered.open();
  }

  #forgetIfDone(handle: AppendHandle): void {
    if (!handle.isDone) return;
    this.#handles.delete(handle.number);
    if (handle.upstream.isDraining && handle.upstream.isIdle) handle.upstream.cancel();
  }

  #free(bytes: number): void {
    this.#parts.appendBudget.free(bytes);
    this.#answers.giveBack(bytes);
  }

  /** A node has fenced off whoever wrote to a partition before. */
  #opened(upstream: AppendUpstream, opened: AppendOpened): void {
    const handle = this.#handles.get(opened.handle);
    if (handle?.upstream === upstream && !handle.isClosing) this.#say({ case: 'opened', value: opened });
  }

  /** A node does not lead a partition (any more). What is in flight is answered besides. */
  #moved(upstream: AppendUpstream, moved: AppendMoved): void {
    const handle = this.#handles.get(moved.handle);
    if (handle?.upstream !== upstream) return;
    this.#answers.flush();
    this.#say({ case: 'moved', value: moved });
    handle.close();
    this.#forgetIfDone(handle);
  }

  /** A node is about to leave: its partitions are to be opened anew, wherever they are led by then. */
  #drained(upstream: AppendUpstream): void {
    upstream.isDraining = true;
    this.#moveAll(upstream, faults.notServing(`node ${upstream.node}`, 'leaving'));
    if (upstream.isIdle) upstream.cancel();
  }

  #lost(
    upstream: AppendUpstream,
    error: MoldauError,
    unanswered: readonly Forwarded[],
    unsent: readonly Forwarded[],
  ): void {
    const isMissed = this.#upstreams.delete(upstream) && !upstream.isDraining;
    if (isMissed) this.#parts.metrics.lost('append');
    const lost = lostNode(upstream.node);
    for (const { handle, pending } of unanswered) this.#settle(handle, pending, failedAck(pending.sequence, lost));
    const away = error.retriable ? outOfReach(upstream.node, error) : error;
    for (const forwarded of unsent) this.#refuse(forwarded, away);
    this.#moveAll(upstream, away);
  }

  /** Tells of every partition of a node that it is not there any more, behind the answers to what was. */
  #moveAll(upstream: AppendUpstream, error: MoldauError): void {
    this.#answers.flush();
    for (const handle of [...this.#handles.values()]) {
      if (handle.upstream !== upstream || handle.isClosing) continue;
      this.#sayMoved(handle.number, movedFrom(upstream.node, this.#parts.view, handle) ?? error);
      handle.close();
      this.#forgetIfDone(handle);
    }
  }

  #tick(): void {
    for (const upstream of [...this.#upstreams]) upstream.tick();
    this.#passOverStalled();
    if (this.#session.signal.aborted) this.#answered.open();
    if (this.#liveness.owesHeartbeat) this.#say({ case: 'heartbeat', value: {} });
    const listens = !this.#hasEnded && !this.#waitsForRoom && !this.#isCongested;
    if (listens && this.#liveness.peerIsSilent)
      this.#session.cancel(faults.notServing('this session', 'silent for too long'));
  }

  /** The window is shared: what waits for a node that takes nothing must not keep the client from the others for long. */
  #passOverStalled(): void {
    const othersWait = this.#upstreams.size > 1 && this.#answers.isSpent;
    if (!othersWait && !this.#parts.appendBudget.isFull) return;
    for (const upstream of [...this.#upstreams]) {
      if (upstream.stalledMs < stalledAfterMs) continue;
      for (const forwarded of upstream.refuse()) this.#refuse(forwarded, notTaken(upstream.node));
    }
  }

  #sayMoved(handle: number, error: MoldauError): void {
    const leader = hasReason(error, 'NOT_LEADER') ? error.fields.leader : undefined;
    const known = typeof leader === 'number' ? { leader } : {};
    this.#say({ case: 'moved', value: { handle, error: toWireError(error), ...known } });
  }

  #say(frame: Exclude<Response['frame'], undefined>): void {
    this.#liveness.said();
    this.#isCongested = !this.#session.send({ frame });
  }
}
