import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  assert,
  type Clock,
  faults,
  Gate,
  type Millis,
  MoldauError,
  type Offset,
  offset,
  repeat,
  type Timers,
} from '@moldau/kernel';
import { InternalLogService } from '@moldau/proto/moldau/internal/v1/log_pb';
import type { AppendAck, AppendSessionRequestSchema, AppendSessionResponse } from '@moldau/proto/moldau/log/v1/log_pb';
import { type Channel, fromWireError, type Session, SessionLiveness } from '@moldau/rpc';

type Request = MessageInitShape<typeof AppendSessionRequestSchema>;

/** What is to be opened. */
export interface LinkTarget {
  readonly topicId: string;
  readonly partition: number;
  readonly fencingToken: bigint;
}

/** The leader answers by then, if only that it does not know. */
const appendTimeoutMs = 10_000;
/** Whoever lives and answers so much later than he must has lost the answer. */
const lostAfterMs = 5_000;

/** A session with the leader of one partition, opened under a fencing token: one batch at a time. It ends with its first failure. */
export class AppendLink {
  readonly #address: string;
  readonly #session: Session<Request, AppendSessionResponse>;
  readonly #clock: Clock;
  readonly #liveness: SessionLiveness;
  readonly #opened = Promise.withResolvers<Offset>();
  readonly #room = new Gate();
  #pending: PromiseWithResolvers<void> | undefined;
  /** By then what is pending has been answered. */
  #answeredBy: Millis = Number.POSITIVE_INFINITY;
  #sequence = 0n;
  #creditBytes = 0;
  #error: MoldauError | undefined;

  constructor(channel: Channel, { topicId, partition, fencingToken }: LinkTarget, ports: TimePorts) {
    this.#address = channel.address;
    this.#clock = ports.clock;
    this.#session = channel.session(InternalLogService.method.appendSession);
    this.#liveness = new SessionLiveness(ports.clock, 'server');
    // Whoever does not wait for it any more hears of the end of the link by other ways.
    this.#opened.promise.catch(() => {});
    const cancel = repeat(ports.timers, 1_000, () => this.#tick());
    this.#say({ case: 'open', value: { handle: 1, topicId, partition, fencingToken } });
    void this.#receive().finally(cancel);
  }

  /** Resolves when the token is committed: with the offset of its record. */
  get opened(): Promise<Offset> {
    return this.#opened.promise;
  }

  /** Another batch may be sent: neither has it failed, nor is its node about to leave. */
  get isOpen(): boolean {
    return this.#error === undefined;
  }

  /** Appends one batch. `sent` is called when it leaves: before that, no failure can have written anything. */
  async append(batch: Uint8Array, sent: () => void): Promise<void> {
    assert(this.#pending === undefined, 'one batch at a time');
    while (this.#creditBytes <= 0 && this.#error === undefined) await this.#room.wait();
    if (this.#error !== undefined) throw this.#error;
    const pending = Promise.withResolvers<void>();
    this.#pending = pending;
    this.#answeredBy = this.#clock.monotonicMs() + appendTimeoutMs + lostAfterMs;
    this.#creditBytes -= batch.length;
    sent();
    const sequence = this.#sequence;
    this.#sequence += 1n;
    const entry = { handle: 1, sequence, batch, timeoutMs: appendTimeoutMs };
    this.#say({ case: 'batches', value: { entries: [entry] } });
    await pending.promise;
  }

  /** What is on its way may still be written. */
  close(): void {
    this.#session.cancel();
  }

  #say(frame: Exclude<Request['frame'], undefined>): void {
    this.#liveness.said();
    // One batch and its answer: there is nothing to hold back.
    this.#session.send({ frame });
  }

  async #receive(): Promise<void> {
    let broken = new MoldauError('UNREACHABLE', `${this.#address} ended the session: retry`, {
      address: this.#address,
    });
    try {
      for await (const { frame } of this.#session.incoming) {
        this.#liveness.heard();
        if (frame.case === 'acks') for (const ack of frame.value.acks) this.#acked(ack);
        else if (frame.case === 'window') this.#credit(Number(frame.value.creditBytes));
        else if (frame.case === 'opened') this.#opened.resolve(offset(frame.value.raisedAt));
        else if (frame.case === 'moved') this.#moved(frame.value.error && fromWireError(frame.value.error));
        else if (frame.case === 'drain') this.#drain();
      }
    } catch (error) {
      if (error instanceof MoldauError) broken = error;
    }
    this.#end(broken);
    // Whatever ended it says nothing of the batch that it had.
    this.#pending?.reject(broken.outcome === 'UNKNOWN' ? broken : faults.lostSession(this.#address, broken));
  }

  #acked({ error }: AppendAck): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (error === undefined) {
      pending?.resolve();
      // It was the last one: the node is about to leave, or leads no more.
      if (!this.isOpen) this.#session.cancel();
      return;
    }
    const failure = fromWireError(error);
    // The handle is closed with it.
    this.#end(failure);
    this.#session.cancel();
    pending?.reject(failure);
  }

  #credit(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#creditBytes > 0) this.#room.open();
  }

  /** What is in flight is answered besides. */
  #moved(error = faults.lostSession(this.#address)): void {
    this.#end(error);
    if (this.#pending === undefined) this.#session.cancel();
  }

  /** The node still answers what it has. */
  #drain(): void {
    this.#end(new MoldauError('NOT_SERVING', `${this.#address} is leaving: retry`, { state: 'leaving' }));
    if (this.#pending === undefined) this.#session.cancel();
  }

  /** Nothing more may be sent. */
  #end(error: MoldauError): void {
    this.#error ??= error;
    this.#opened.reject(error);
    this.#room.open();
  }

  #tick(): void {
    if (this.#liveness.owesHeartbeat) this.#say({ case: 'heartbeat', value: {} });
    const isLost = this.#pending !== undefined && this.#clock.monotonicMs() > this.#answeredBy;
    if (isLost || this.#liveness.peerIsSilent) this.#session.cancel();
  }
}

interface TimePorts {
  readonly clock: Clock;
  readonly timers: Timers;
}
