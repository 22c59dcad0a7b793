import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Clock, MoldauError, repeat, type Timers } from '@moldau/kernel';
import {
  type FetchEntry,
  type FetchSessionRequestSchema,
  type FetchSessionResponse,
  LogService,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { Isolation } from '@moldau/proto/moldau/log/v1/record_pb';
import { type Channel, fromWireError, type Session, SessionLiveness } from '@moldau/rpc';
import type { Fetched, FetchSource } from './fetch-source.ts';

type Request = MessageInitShape<typeof FetchSessionRequestSchema>;

/** What a link tells its reader. */
export interface FetchLinkEvents {
  fetched(fetched: Fetched): void;
  /** A partition is at its end for now. */
  caughtUp(source: FetchSource): void;
  /** Records are gone that were still to be read. */
  gap(source: FetchSource, from: bigint, to: bigint): void;
  /** This source can't be read here (any more). */
  lost(source: FetchSource, error: MoldauError): void;
  /** The link is over; every source of it is lost besides. */
  ended(): void;
}

/** One FetchSession with one node, shared by all partitions of a reader that the node leads. */
export class FetchLink {
  readonly address: string;
  readonly #session: Session<Request, FetchSessionResponse>;
  readonly #events: FetchLinkEvents;
  readonly #sources = new Map<number, FetchSource>();
  readonly #handles = new Map<FetchSource, number>();
  /** The generations of its sources when they came here: a session counts from 0. */
  readonly #generations = new Map<FetchSource, number>();
  readonly #liveness: SessionLiveness;
  #nextHandle = 1;
  #over = false;

  constructor(channel: Channel, ports: { clock: Clock; timers: Timers }, creditBytes: number, events: FetchLinkEvents) {
    this.address = channel.address;
    this.#events = events;
    this.#session = channel.session(LogService.method.fetchSession);
    this.#liveness = new SessionLiveness(ports.clock, 'server');
    const cancel = repeat(ports.timers, 1_000, () => this.#tick());
    this.credit(creditBytes);
    void this.#receive().finally(cancel);
  }

  get isOver(): boolean {
    return this.#over;
  }

  has(source: FetchSource): boolean {
    return this.#handles.has(source);
  }

  add(source: FetchSource, topicId: string): void {
    const handle = this.#nextHandle;
    this.#nextHandle += 1;
    this.#sources.set(handle, source);
    this.#handles.set(source, handle);
    this.#generations.set(source, source.generation);
    this.#say({
      case: 'add',
      value: {
        handle,
        topicId,
        partition: source.partition,
        from: source.position,
        isolation: Isolation.READ_COMMITTED,
        ...(source.lastEpoch !== undefined && { lastEpoch: source.lastEpoch }),
      },
    });
    if (source.isPaused) this.pause(source);
  }

  remove(source: FetchSource): void {
    const handle = this.#handles.get(source);
    if (handle === undefined) return;
    this.#forget(handle, source);
    this.#say({ case: 'remove', value: { handle } });
  }

  pause(source: FetchSource): void {
    const handle = this.#handles.get(source);
    if (handle !== undefined) this.#say({ case: 'pause', value: { handle } });
  }

  resume(source: FetchSource): void {
    const handle = this.#handles.get(source);
    if (handle !== undefined) this.#say({ case: 'resume', value: { handle } });
  }

  /** Goes on where the source now stands. */
  seek(source: FetchSource): void {
    const handle = this.#handles.get(source);
    if (handle === undefined) return;
    this.#say({ case: 'seek', value: { handle, to: source.position, generation: this.#generationOf(source) } });
  }

  credit(bytes: number): void {
    this.#say({ case: 'credit', value: { bytes: BigInt(bytes) } });
  }

  close(): void {
    this.#over = true;
    this.#session.cancel();
  }

  #forget(handle: number, source: FetchSource): void {
    this.#sources.delete(handle);
    this.#handles.delete(source);
    this.#generations.delete(source);
  }

  /** How often it was sought since it came here. */
  #generationOf(source: FetchSource): number {
    return source.generation - (this.#generations.get(source) ?? 0);
  }

  #say(frame: Exclude<Request['frame'], undefined>): void {
    if (this.#over) return;
    this.#liveness.said();
    // Small frames, one or two for each that arrives: what they can pile up to is bounded by the credit.
    this.#session.send({ frame });
  }

  async #receive(): Promise<void> {
    let error = new MoldauError('UNREACHABLE', `${this.address} ended the session`, { address: this.address });
    try {
      for await (const { frame } of this.#session.incoming) {
        this.#liveness.heard();
        this.#frame(frame);
        if (frame.case === 'drain') break;
      }
    } catch (broken) {
      if (broken instanceof MoldauError) error = broken;
    }
    const wasClosed = this.#over;
    this.#over = true;
    this.#session.cancel();
    if (wasClosed) return;
    this.#events.ended();
    for (const source of this.#handles.keys()) this.#events.lost(source, error);
  }

  #frame(frame: FetchSessionResponse['frame']): void {
    switch (frame.case) {
      case 'batches':
        for (const entry of frame.value.entries) this.#batches(entry);
        return;
      case 'caughtUp': {
        const source = this.#sources.get(frame.value.handle);
        if (source === undefined || frame.value.generation !== this.#generationOf(source)) return;
        source.skipTo(frame.value.at);
        return this.#events.caughtUp(source);
      }
      case 'gap': {
        const source = this.#sources.get(frame.value.handle);
        if (source === undefined || frame.value.generation !== this.#generationOf(source)) return;
        this.#events.gap(source, frame.value.from, frame.value.to);
        return source.skipTo(frame.value.to);
      }
      case 'diverged': {
        const { handle, epoch, endOffset } = frame.value;
        return this.#lose(handle, diverged(this.#sources.get(handle)?.name ?? '', epoch, endOffset));
      }
      case 'moved':
        return this.#lose(frame.value.handle, new MoldauError('NOT_LEADER', `${this.address} does not lead it`));
      case 'error':
        if (frame.value.error !== undefined) this.#lose(frame.value.handle, fromWireError(frame.value.error));
        return;
      case 'heartbeat':
      case 'drain':
      case undefined:
        return;
    }
  }

  #batches({ handle, batches, generation, from }: FetchEntry): void {
    const source = this.#sources.get(handle);
    if (source === undefined || generation !== this.#generationOf(source)) return this.credit(batches.length);
    this.#events.fetched(source.accept(batches, from));
  }

  #lose(handle: number, error: MoldauError): void {
    const source = this.#sources.get(handle);
    if (source === undefined) return;
    this.#forget(handle, source);
    this.#events.lost(source, error);
  }

  #tick(): void {
    if (this.#over) return;
    if (this.#liveness.owesHeartbeat) this.#say({ case: 'heartbeat', value: {} });
    if (this.#liveness.peerIsSilent) this.#session.cancel();
  }
}

const diverged = (partition: string, epoch: number, end: bigint): MoldauError =>
  new MoldauError(
    'DIVERGED',
    `${partition} was rewritten behind offset ${end}: what was read from there is void, seek there to go on`,
    {
      epoch,
      end_offset: end,
    },
  );
