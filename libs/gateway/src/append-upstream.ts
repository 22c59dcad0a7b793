import type { MessageInitShape } from '@bufbuild/protobuf';
import { ByteQueue, type Clock, type Millis, MoldauError } from '@moldau/kernel';
import {
  type AppendAck,
  type AppendEntry,
  type AppendMoved,
  type AppendOpened,
  type AppendSessionRequestSchema,
  type AppendSessionResponse,
  LogService,
  type OpenPartition,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { Unanswered } from '@moldau/routing';
import { type Channel, type Session, SessionLiveness } from '@moldau/rpc';
import type { AppendHandle, Pending } from './append-handle.ts';

type Request = MessageInitShape<typeof AppendSessionRequestSchema>;

/** One entry on its way to its node. */
export interface Forwarded {
  readonly handle: AppendHandle;
  readonly pending: Pending;
  readonly entry: AppendEntry;
  /** When its client stops waiting. */
  readonly expiresAt: Millis;
}

type Item =
  | { readonly kind: 'open'; readonly open: OpenPartition }
  | { readonly kind: 'entry'; readonly forwarded: Forwarded }
  | { readonly kind: 'close'; readonly handle: number };

/** What a node's session tells the bridge. */
export interface AppendUpstreamEvents {
  /** The error that may leave the process. */
  seal(error: unknown): MoldauError;
  acked(forwarded: Forwarded, ack: AppendAck): void;
  moved(moved: AppendMoved): void;
  opened(opened: AppendOpened): void;
  /** The node wants everyone to leave. */
  drained(): void;
  /** Entries have left this process: their memory is free. */
  sent(bytes: number): void;
  /** An entry waited here for longer than its client does. It has not left this process. */
  expired(forwarded: Forwarded): void;
  /** The session is over. `unanswered`: sent, and may be written. `unsent`: neither. */
  lost(error: MoldauError, unanswered: readonly Forwarded[], unsent: readonly Forwarded[]): void;
}

/** A frame is filled with entries up to this. */
const frameBytes = 512 * 1024;

/**
 * The session of one client with one node. Entries go out in order as the node gives credit and the transport takes them,
 * and wait here, unencoded, until then.
 */
export class AppendUpstream {
  readonly node: number;
  readonly #session: Session<Request, AppendSessionResponse>;
  readonly #clock: Clock;
  readonly #events: AppendUpstreamEvents;
  readonly #liveness: SessionLiveness;
  readonly #unanswered = new Unanswered<Forwarded>();
  /** Bounded by the window of the client's session. */
  readonly #waiting = new ByteQueue<Item>(Number.POSITIVE_INFINITY, bytesOf);
  #creditBytes = 0;
  #isCongested = false;
  /** Bytes that the transport has, but not the room for. */
  #heldBytes = 0;
  #progressAt: Millis;
  #isOver = false;
  isDraining = false;
  /** The node takes nothing, and others must not wait for it: entries are refused until it does. */
  isRefusing = false;

  constructor(node: number, channel: Channel, clock: Clock, events: AppendUpstreamEvents) {
    this.node = node;
    this.#clock = clock;
    this.#events = events;
    this.#session = channel.session(LogService.method.appendSession);
    this.#liveness = new SessionLiveness(clock, 'server');
    this.#progressAt = clock.monotonicMs();
    void this.#receive();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Nothing is on its way. */
  get isIdle(): boolean {
    return this.#unanswered.isEmpty && this.#waiting.length === 0;
  }

  /** For how long entries have waited here without a sign that the node takes any. */
  get stalledMs(): Millis {
    return this.#waiting.length === 0 ? 0 : this.#clock.monotonicMs() - this.#progressAt;
  }

  open(open: OpenPartition): void {
    this.#enqueue({ kind: 'open', open });
  }

  close(handle: number): void {
    this.#enqueue({ kind: 'close', handle });
  }

  /** Takes an entry; `flush` sends it. */
  add(forwarded: Forwarded): void {
    if (this.#waiting.length === 0) this.#progressAt = this.#clock.monotonicMs();
    this.#waiting.push({ kind: 'entry', forwarded });
  }

  /** Sends what there is credit for. */
  flush(): void {
    let entries: AppendEntry[] = [];
    let bytes = 0;
    const send = (): void => {
      if (entries.length > 0) this.#say({ case: 'batches', value: { entries } }, bytes);
      entries = [];
      bytes = 0;
    };
    while (this.#maySend && this.#creditBytes > 0) {
      const item = this.#waiting.shift();
      if (item === undefined) break;
      if (item.kind === 'entry') {
        if (bytes > 0 && bytes + bytesOf(item) > frameBytes) send();
        if (this.#stamp(item.forwarded)) {
          entries.push(item.forwarded.entry);
          bytes += bytesOf(item);
        }
        continue;
      }
      send();
      if (item.kind === 'open') this.#say({ case: 'open', value: item.open }, 0);
      else this.#say({ case: 'close', value: { handle: item.handle } }, 0);
    }
    send();
  }

  /** Gives back what waits here: the node is not to be waited for. */
  refuse(): Forwarded[] {
    this.isRefusing = true;
    const refused: Forwarded[] = [];
    for (const item of this.#waiting.drain()) {
      if (item.kind === 'entry') refused.push(item.forwarded);
      else this.#waiting.push(item);
    }
    return refused;
  }

  tick(): void {
    if (this.#isOver) return;
    if (this.#liveness.owesHeartbeat) this.#say({ case: 'heartbeat', value: {} }, 0);
    if (this.#liveness.peerIsSilent) this.cancel();
  }

  /** Breaks the session off. What the node has, it still writes. */
  cancel(): void {
    this.#session.cancel();
  }

  get #maySend(): boolean {
    return !this.#isCongested && !this.#session.signal.aborted;
  }

  #enqueue(item: Item): void {
    this.#waiting.push(item);
    this.flush();
  }

  /** Gives an entry the number by which the node will answer. False: its client does not wait any more. */
  #stamp(forwarded: Forwarded): boolean {
    const { entry, expiresAt } = forwarded;
    const leftMs = expiresAt - this.#clock.monotonicMs();
    if (leftMs <= 0) {
      this.#events.expired(forwarded);
      return false;
    }
    // The message was decoded for us alone.
    entry.sequence = this.#unanswered.add(forwarded);
    entry.timeoutMs = Math.ceil(leftMs);
    this.#creditBytes -= entry.batch.length;
    return true;
  }

  #say(frame: Exclude<Request['frame'], undefined>, bytes: number): void {
    this.#liveness.said();
    this.#heldBytes += bytes;
    if (this.#session.send({ frame })) return this.#release();
    if (this.#isCongested) return;
    this.#isCongested = true;
    void this.#session.drained().then(() => {
      this.#isCongested = false;
      this.#release();
      this.flush();
    });
  }

  #release(): void {
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    if (bytes > 0) this.#events.sent(bytes);
  }

  async #receive(): Promise<void> {
    let broken: MoldauError = new MoldauError('UNREACHABLE', `node ${this.node} ended the session`, {
      node: this.node,
    });
    try {
      for await (const { frame } of this.#session.incoming) {
        this.#liveness.heard();
        if (frame.case === 'acks') for (const ack of frame.value.acks) this.#acked(ack);
        else if (frame.case === 'window') this.#credit(Number(frame.value.creditBytes));
        else if (frame.case === 'moved') this.#events.moved(frame.value);
        else if (frame.case === 'opened') this.#events.opened(frame.value);
        else if (frame.case === 'drain') this.#events.drained();
      }
    } catch (error) {
      broken = this.#events.seal(error);
    }
    this.#over(broken);
  }

  #over(error: MoldauError): void {
    this.#isOver = true;
    this.#session.cancel();
    this.#release();
    const unanswered = this.#unanswered.takeAll();
    const unsent = this.#waiting.drain().flatMap((item) => (item.kind === 'entry' ? item.forwarded : []));
    this.#events.lost(error, unanswered, unsent);
  }

  #acked(ack: AppendAck): void {
    const forwarded = this.#unanswered.take(ack.sequence);
    if (forwarded === undefined) return;
    this.#progressed();
    ack.sequence = forwarded.pending.sequence;
    this.#events.acked(forwarded, ack);
  }

  #credit(bytes: number): void {
    this.#creditBytes += bytes;
    this.#progressed();
    this.flush();
  }

  #progressed(): void {
    this.#progressAt = this.#clock.monotonicMs();
    this.isRefusing = false;
  }
}

const bytesOf = (item: Item): number => (item.kind === 'entry' ? item.forwarded.entry.batch.length : 0);
