import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Clock, faults, type Millis, MoldauError, repeat, type Timers } from '@moldau/kernel';
import {
  type AppendAck,
  type AppendEntrySchema,
  type AppendMoved,
  type AppendSessionRequestSchema,
  type AppendSessionResponse,
  LogService,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { Unanswered } from '@moldau/routing';
import { type Channel, fromWireError, type Session, SessionLiveness } from '@moldau/rpc';

type Entry = MessageInitShape<typeof AppendEntrySchema>;
type Request = MessageInitShape<typeof AppendSessionRequestSchema>;

/** Told once for each entry: the base offset, or why not. */
type Acked = (error: MoldauError | undefined, baseOffset: bigint | undefined) => void;

/** An entry that was sent, and when the node will have answered it, if only to say that its time is up. */
interface Sent {
  readonly acked: Acked;
  readonly answeredBy: Millis;
}

/** Whoever lives and answers so much later than he must has lost the answer. */
const lostAfterMs = 5_000;

/** What is to be opened. */
export interface OpenTarget {
  readonly topicId: string;
  readonly partition: number;
  readonly epoch: number;
  readonly fencingToken?: bigint;
}

/** A partition, open on a link. */
export interface LinkHandle {
  readonly number: number;
  /** The node does not lead it (any more). What is in flight is answered besides. */
  readonly moved: (error: MoldauError) => void;
}

/** A frame is filled with the entries of one turn up to this. A large batch has one for itself: the node need not copy it then. */
const frameBytes = 64 * 1024;

/** One AppendSession with one node, shared by all partitions of a producer that the node leads. */
export class AppendLink {
  readonly address: string;
  readonly #session: Session<Request, AppendSessionResponse>;
  readonly #handles = new Map<number, LinkHandle>();
  readonly #unacked = new Unanswered<Sent>();
  readonly #clock: Clock;
  readonly #liveness: SessionLiveness;
  readonly #onRoom: () => void;
  readonly #onEnd: () => void;
  #outgoing: Entry[] = [];
  #outgoingBytes = 0;
  #flushScheduled = false;
  #creditBytes = 0;
  #congested = false;
  #nextHandle = 1;
  #over = false;
  #draining = false;

  /** `onRoom`: entries may be sent that had no room. `onEnd`: the link is over, or about to be; every entry is answered. */
  constructor(
    channel: Channel,
    ports: { clock: Clock; timers: Timers },
    events: { onRoom: () => void; onEnd: () => void },
  ) {
    this.address = channel.address;
    this.#clock = ports.clock;
    this.#session = channel.session(LogService.method.appendSession);
    this.#onRoom = events.onRoom;
    this.#onEnd = events.onEnd;
    this.#liveness = new SessionLiveness(ports.clock, 'server');
    const cancel = repeat(ports.timers, 1_000, () => this.#tick());
    void this.#receive().finally(cancel);
  }

  /** No new entry may be sent. */
  get isClosing(): boolean {
    return this.#over || this.#draining;
  }

  /** Whether one more entry may be sent: whoever has credit may send one whole batch. */
  get hasRoom(): boolean {
    return !this.isClosing && !this.#congested && this.#creditBytes > 0;
  }

  /** A fencing token is raised by the way: what is sent on the handle stands behind that. */
  open(target: OpenTarget, moved: (error: MoldauError) => void): LinkHandle {
    const handle = { number: this.#nextHandle, moved };
    this.#nextHandle += 1;
    this.#handles.set(handle.number, handle);
    const { epoch, ...named } = target;
    this.#say({ case: 'open', value: { handle: handle.number, leaderEpoch: epoch, ...named } });
    return handle;
  }

  close(handle: LinkHandle): void {
    if (!this.#handles.delete(handle.number) || this.#over) return;
    this.#flush();
    this.#say({ case: 'close', value: { handle: handle.number } });
  }

  /** Sends one batch. Only while `hasRoom`. */
  send(handle: LinkHandle, batch: Uint8Array, timeoutMs: number, acked: Acked): void {
    const answeredBy = this.#clock.monotonicMs() + timeoutMs;
    const sequence = this.#unacked.add({ acked, answeredBy });
    this.#creditBytes -= batch.length;
    if (this.#outgoingBytes + batch.length > frameBytes) this.#flush();
    this.#outgoing.push({ handle: handle.number, sequence, batch, timeoutMs });
    this.#outgoingBytes += batch.length;
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  /** Ends the session once everything is answered. */
  end(): void {
    this.#draining = true;
    if (this.#unacked.isEmpty) this.#session.end();
  }

  #flush(): void {
    if (this.#outgoing.length === 0) return;
    const entries = this.#outgoing;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#say({ case: 'batches', value: { entries } });
  }

  #say(frame: Exclude<Request['frame'], undefined>): void {
    this.#liveness.said();
    if (this.#session.send({ frame }) || this.#congested) return;
    this.#congested = true;
    void this.#session.drained().then(() => {
      this.#congested = false;
      this.#onRoom();
    });
  }

  async #receive(): Promise<void> {
    let broken = new MoldauError('UNREACHABLE', `${this.address} ended the session: retry`, { address: this.address });
    try {
      for await (const { frame } of this.#session.incoming) {
        this.#liveness.heard();
        if (frame.case === 'acks') for (const ack of frame.value.acks) this.#ack(ack);
        else if (frame.case === 'window') this.#credit(Number(frame.value.creditBytes));
        else if (frame.case === 'moved') this.#moved(frame.value);
        else if (frame.case === 'drain') this.#drain();
      }
    } catch (error) {
      if (error instanceof MoldauError) broken = error;
    }
    this.#over = true;
    this.#session.cancel();
    // Whatever was sent and not answered may be written.
    const lost = broken.outcome === 'UNKNOWN' ? broken : faults.lostSession(this.address, broken);
    for (const { acked } of this.#unacked.takeAll()) acked(lost, undefined);
    this.#onEnd();
    for (const { moved } of this.#handles.values()) moved(broken);
  }

  #ack({ sequence, error, baseOffset }: AppendAck): void {
    this.#unacked.take(sequence)?.acked(error === undefined ? undefined : fromWireError(error), baseOffset);
    if (this.#draining && this.#unacked.isEmpty) this.#session.end();
  }

  #credit(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.hasRoom) this.#onRoom();
  }

  #moved({ handle: number, error }: AppendMoved): void {
    const handle = this.#handles.get(number);
    this.#handles.delete(number);
    handle?.moved(error === undefined ? faults.lostSession(this.address) : fromWireError(error));
  }

  #drain(): void {
    this.end();
    this.#onEnd();
  }

  #tick(): void {
    if (this.#over) return;
    if (this.#liveness.owesHeartbeat) this.#say({ case: 'heartbeat', value: {} });
    const { oldest } = this.#unacked;
    const hasLost = oldest !== undefined && this.#clock.monotonicMs() > oldest.answeredBy + lostAfterMs;
    if (this.#liveness.peerIsSilent || hasLost) this.#session.cancel();
  }
}
