import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Clock, type Millis, MoldauError, repeat, type Timers } from '@moldau/kernel';
import {
  GroupService,
  type JoinSessionRequestSchema,
  type JoinSessionResponse,
} from '@moldau/proto/moldau/group/v1/group_pb';
import { type Channel, type Session, SessionLiveness } from '@moldau/rpc';

type Request = MessageInitShape<typeof JoinSessionRequestSchema>;

/** What a member says. */
export type JoinSaid = Exclude<Request['frame'], undefined>;
/** What it is told. */
export type JoinTold = JoinSessionResponse['frame'];

/** What a link tells its member. */
export interface JoinLinkEvents {
  told(frame: JoinTold): void;
  /** A ping was answered that was sent at this time. */
  renewed(saidAt: Millis): void;
}

const tickMs = 500;
/** Pings that are not answered. Answers come for the newest, so older ones are nothing to wait for. */
const unansweredMax = 64;

/** One JoinSession of one member with one coordinator. */
export class JoinLink {
  readonly #session: Session<Request, JoinSessionResponse>;
  readonly #events: JoinLinkEvents;
  readonly #clock: Clock;
  readonly #liveness: SessionLiveness;
  /** By number: when it was sent. */
  readonly #pings = new Map<bigint, Millis>();
  #nextPing = 1n;
  #pingEveryMs: Millis;
  #pingedAt: Millis;
  #isOver = false;

  constructor(channel: Channel, ports: { clock: Clock; timers: Timers }, pingEveryMs: Millis, events: JoinLinkEvents) {
    this.#session = channel.session(GroupService.method.joinSession);
    this.#events = events;
    this.#clock = ports.clock;
    this.#pingEveryMs = pingEveryMs;
    this.#pingedAt = ports.clock.monotonicMs();
    this.#liveness = new SessionLiveness(ports.clock, 'server');
    const cancel = repeat(ports.timers, tickMs, () => this.#tick());
    this.#session.signal.addEventListener('abort', cancel, { once: true });
  }

  set pingEveryMs(ms: Millis) {
    this.#pingEveryMs = ms;
  }

  say(frame: JoinSaid): void {
    if (this.#isOver) return;
    this.#liveness.said();
    // Small frames, few of them, and never more commits than one: they can't pile up.
    this.#session.send({ frame });
  }

  /** Asks for the session to go on from now. */
  ping(): void {
    const number = this.#nextPing;
    this.#nextPing += 1n;
    this.#pingedAt = this.#clock.monotonicMs();
    const [oldest] = this.#pings.keys();
    if (this.#pings.size >= unansweredMax && oldest !== undefined) this.#pings.delete(oldest);
    this.#pings.set(number, this.#pingedAt);
    this.say({ case: 'ping', value: { number } });
  }

  /** Tells what comes, until the stream is over. Resolves when the coordinator has ended it in order; else throws why it broke. */
  async follow(): Promise<void> {
    try {
      for await (const { frame } of this.#session.incoming) {
        this.#liveness.heard();
        if (frame.case === 'pong') this.#pong(frame.value.number);
        else this.#events.told(frame);
        if (this.#isOver) throw new MoldauError('UNREACHABLE', 'this side has closed the stream');
      }
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#isOver = true;
    this.#session.cancel();
  }

  #pong(number: bigint): void {
    const saidAt = this.#pings.get(number);
    for (const older of this.#pings.keys()) if (older <= number) this.#pings.delete(older);
    if (saidAt !== undefined) this.#events.renewed(saidAt);
  }

  #tick(): void {
    if (this.#isOver) return;
    if (this.#clock.monotonicMs() - this.#pingedAt >= this.#pingEveryMs) this.ping();
    if (this.#liveness.peerIsSilent) this.#session.cancel(new MoldauError('UNREACHABLE', 'the coordinator is silent'));
  }
}
