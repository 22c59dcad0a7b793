import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Clock, MoldauError } from '@moldau/kernel';
import {
  type FetchEntry,
  type FetchSessionRequestSchema,
  type FetchSessionResponse,
  LogService,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { type Channel, type Session, SessionLiveness } from '@moldau/rpc';
import { newLine } from './credit-pool.ts';

type Request = MessageInitShape<typeof FetchSessionRequestSchema>;
type Frame = FetchSessionResponse['frame'];

/** What came from a node, in order, and waits for its turn to go to the client. */
export type Arrival =
  | {
      readonly kind: 'batches';
      readonly message: FetchSessionResponse;
      readonly entries: FetchEntry[];
      readonly bytes: number;
    }
  | { readonly kind: 'said'; readonly frame: Exclude<Frame, { case: 'batches' | undefined }> }
  | { readonly kind: 'lost'; readonly error: MoldauError };

/** What a node's session tells the bridge. */
export interface FetchUpstreamEvents {
  /** The error that may leave the process. */
  seal(error: unknown): MoldauError;
  arrived(arrival: Arrival): void;
}

/**
 * The session of one client with one node. Whatever comes is taken at once: what may come is bounded by the credit that
 * the node was granted, and what waits for a slow client waits here and not in a connection that others share.
 */
export class FetchUpstream {
  readonly node: number;
  readonly line = newLine();
  /** What the client has not got yet. */
  readonly waiting: Arrival[] = [];
  /** Partitions that are read on it. */
  handles = 0;
  readonly #session: Session<Request, FetchSessionResponse>;
  readonly #events: FetchUpstreamEvents;
  readonly #liveness: SessionLiveness;
  /** The node wants everyone to leave. */
  isDraining = false;
  #isOver = false;
  #isClosed = false;

  constructor(node: number, channel: Channel, clock: Clock, events: FetchUpstreamEvents) {
    this.node = node;
    this.#events = events;
    this.#liveness = new SessionLiveness(clock, 'server');
    this.#session = channel.session(LogService.method.fetchSession);
    void this.#receive();
  }

  /** Nothing new can be asked for here. */
  get isOver(): boolean {
    return this.#isOver;
  }

  say(frame: Exclude<Request['frame'], undefined>): void {
    if (this.#isOver) return;
    this.#liveness.said();
    // Small frames, one for each of the client's: a node that does not take them loses the session.
    this.#session.send({ frame });
  }

  credit(bytes: number): void {
    this.say({ case: 'credit', value: { bytes: BigInt(bytes) } });
  }

  tick(): void {
    if (this.#isOver) return;
    if (this.#liveness.owesHeartbeat) this.say({ case: 'heartbeat', value: {} });
    if (this.#liveness.peerIsSilent) this.#session.cancel();
  }

  /** Breaks the session off; nothing of it is told any more. */
  close(): void {
    this.#isOver = true;
    this.#isClosed = true;
    this.waiting.length = 0;
    this.#session.cancel();
  }

  async #receive(): Promise<void> {
    let broken: MoldauError = new MoldauError('UNREACHABLE', `node ${this.node} ended the session`, {
      node: this.node,
    });
    try {
      for await (const message of this.#session.incoming) {
        this.#liveness.heard();
        this.isDraining = message.frame.case === 'drain';
        if (this.isDraining) break;
        this.#take(message);
      }
    } catch (error) {
      broken = this.#events.seal(error);
    }
    this.#isOver = true;
    this.#session.cancel();
    this.#arrived({ kind: 'lost', error: broken });
  }

  #take(message: FetchSessionResponse): void {
    const { frame } = message;
    if (frame.case === undefined) return;
    if (frame.case !== 'batches') return this.#arrived({ kind: 'said', frame });
    const { entries } = frame.value;
    const bytes = entries.reduce((sum, { batches }) => sum + batches.length, 0);
    this.#arrived({ kind: 'batches', message, entries, bytes });
  }

  #arrived(arrival: Arrival): void {
    if (!this.#isClosed) this.#events.arrived(arrival);
  }
}
