import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Frame, GroupId, MemberId, NewOffset, Reply, Request } from '@moldau/groups';
import { type Clock, faults, Gate, type Millis, MoldauError, repeat, type Timers } from '@moldau/kernel';
import type {
  JoinAck,
  JoinCommit,
  JoinHello,
  JoinSessionRequest,
  JoinSessionResponseSchema,
} from '@moldau/proto/moldau/group/v1/group_pb';
import { type Session, SessionLiveness, toWireError } from '@moldau/rpc';
import type { CommitChecks } from './commit-checks.ts';
import type { OwnedShard, OwnedShards, ShardGuest } from './owned-shards.ts';
import { fromAssignment, fromFailures, type Response, toHello, toNewOffset, toOwned, toWish } from './wire.ts';

type JoinStream = Session<MessageInitShape<typeof JoinSessionResponseSchema>, JoinSessionRequest>;

/** What a member's stream works with. */
export interface MemberStreamPorts {
  readonly shards: OwnedShards;
  readonly checks: CommitChecks;
  readonly sessionTimeoutMs: Millis;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The error that may leave the process. */
  readonly seal: (error: unknown) => MoldauError;
}

/** Frames of a member that are not answered yet: beyond that it is not read. */
const unansweredMax = 64;

/** Whose stream it is, and where. */
interface Joined {
  readonly owned: OwnedShard;
  readonly group: GroupId;
  readonly member: MemberId;
}

/** One stream of one member: frames go to the machine as requests, in order, and what that decides comes back as frames. */
export class MemberStream implements ShardGuest {
  readonly #session: JoinStream;
  readonly #ports: MemberStreamPorts;
  readonly #liveness: SessionLiveness;
  readonly #answered = new Gate();
  readonly #number: number;
  /** `undefined`: no hello was taken yet. */
  #joined: Joined | undefined;
  #unanswered = 0;
  /** Waits for the next frame, and not for what the last ones led to. */
  #isListening = true;
  /** `undefined`: none waits for its pong. */
  #lastPing: bigint | undefined;
  #isOver = false;

  constructor(session: JoinStream, ports: MemberStreamPorts) {
    this.#session = session;
    this.#ports = ports;
    this.#number = ports.shards.streamNumber();
    this.#liveness = new SessionLiveness(ports.clock, 'client');
  }

  /** Serves the stream to its end. That is no end of the membership. */
  async run(): Promise<void> {
    const { incoming, signal } = this.#session;
    // Whoever is gone waits for no log.
    signal.addEventListener('abort', () => this.#answered.open(), { once: true });
    const cancel = repeat(this.#ports.timers, 1_000, () => this.#tick());
    try {
      for await (const { frame } of incoming) {
        this.#isListening = false;
        if (frame.case === 'hello') await this.#hello(frame.value);
        else if (this.#joined === undefined) throw faults.invalidRequest('frame', 'comes before a hello');
        else if (frame.case !== undefined) await this.#take(frame, this.#joined);
        while (this.#unanswered >= unansweredMax && !signal.aborted) await this.#answered.wait();
        if (this.#isOver) break;
        // If it was long, it was us who did not listen.
        this.#liveness.heard();
        this.#isListening = true;
      }
      this.#isListening = false;
      while (this.#unanswered > 0 && !signal.aborted) await this.#answered.wait();
    } finally {
      cancel();
      this.#joined?.owned.guests.delete(this.#number);
    }
  }

  /** Asks the member to go to another process. */
  drain(graceMs: Millis): void {
    this.#say({ case: 'drain', value: { graceMs } });
  }

  frame(frame: Frame['frame']): void {
    if (frame.kind === 'assignment') this.#say(fromAssignment(frame));
    else this.#fenced(frame.error);
  }

  /** The shard is somebody else's, or about to be. */
  moved(): void {
    if (this.#joined !== undefined) this.#redirect(this.#joined.group);
  }

  #redirect(group: GroupId): void {
    const nodeId = this.#ports.shards.coordinator(group);
    this.#say({ case: 'redirect', value: nodeId === undefined ? {} : { nodeId } });
    this.#over();
  }

  async #hello(told: JoinHello): Promise<void> {
    if (this.#joined !== undefined) throw faults.invalidRequest('hello', 'comes a second time');
    const hello = toHello(told, this.#number);
    const { group, member } = hello;
    const { shards, sessionTimeoutMs } = this.#ports;
    const owned = shards.find(group);
    if (owned === undefined) return this.#redirect(group);
    // Reloading takes a moment: whoever comes in it waits.
    const isReady = await owned.owner.ready(this.#session.signal).then(
      () => true,
      () => false,
    );
    if (this.#session.signal.aborted) return;
    if (!isReady) return this.#redirect(group);
    this.#joined = { owned, group, member };
    owned.guests.set(this.#number, this);
    this.#ask(this.#joined, hello, (reply) => {
      if (reply.kind === 'refused') return this.#session.cancel(reply.error);
      this.#say({ case: 'welcome', value: { sessionTimeoutMs } });
    });
  }

  async #take(frame: Exclude<JoinSessionRequest['frame'], { case: undefined } | { case: 'hello' }>, joined: Joined) {
    const { owned, group, member } = joined;
    const of = { group, member, stream: this.#number };
    switch (frame.case) {
      case 'ack':
        return this.#ack(joined, frame.value);
      case 'commit':
        return this.#commit(joined, frame.value);
      case 'update':
        return this.#ask(joined, { ...of, kind: 'update', ...toWish(frame.value) }, (reply) => {
          if (reply.kind === 'refused') this.#say({ case: 'refused', value: toWireError(reply.error) });
        });
      case 'ping': {
        const { number } = frame.value;
        return this.#ask(joined, { ...of, kind: 'heard' }, () => this.#pongFor(owned, number));
      }
      case 'leave': {
        const { comingBack } = frame.value;
        return this.#ask(joined, { ...of, kind: 'leave', comingBack }, () => this.#over());
      }
    }
  }

  /** An owner that was overtaken renews nothing: the new one counts from when it came. Of many pings the last is answered. */
  #pongFor(owned: OwnedShard, number: bigint): void {
    const isWaiting = this.#lastPing !== undefined;
    this.#lastPing = number;
    if (isWaiting) return;
    this.#ports.shards.confirm(owned, () => {
      const last = this.#lastPing;
      this.#lastPing = undefined;
      this.#say({ case: 'pong', value: { number } });
      // It came while this one was being confirmed.
      if (last !== undefined && last !== number) this.#pongFor(owned, last);
    });
  }

  #ack(joined: Joined, { assignment, owned }: JoinAck): void {
    const { group, member } = joined;
    const of = { group, member, stream: this.#number };
    this.#ask(joined, { ...of, kind: 'ack', assignment: Number(assignment), owned: toOwned(owned) }, () => {});
  }

  async #commit(joined: Joined, { offsets, memberEpoch, number }: JoinCommit): Promise<void> {
    const { group, member } = joined;
    const refused = (error: MoldauError): void =>
      this.#say({ case: 'committed', value: { number, error: toWireError(error) } });
    let named: NewOffset[];
    try {
      named = offsets.map(toNewOffset);
    } catch (error) {
      return refused(this.#ports.seal(error));
    }
    // What comes behind it waits: partitions are given up after their last commit.
    const { good, failures } = await this.#ports.checks.check(named);
    const by = { member, epoch: memberEpoch, stream: this.#number };
    this.#ask(
      joined,
      { kind: 'commit', group, by, offsets: good },
      (reply) => {
        if (reply.kind === 'refused') return refused(reply.error);
        const all = reply.kind === 'committed' ? [...failures, ...reply.failures] : failures;
        this.#say({ case: 'committed', value: { number, failures: fromFailures(all) } });
      },
      refused,
    );
  }

  /** `failed`: the request was not, or may not have been, done; default: the stream ends with that, or leads elsewhere. */
  #ask(
    { owned: { owner } }: Joined,
    request: Request,
    answer: (reply: Reply) => void,
    failed: (error: MoldauError) => void = (error) =>
      owner.phase.kind === 'serving' ? this.#session.cancel(error) : this.moved(),
  ): void {
    this.#unanswered += 1;
    const settle = (error: MoldauError | undefined, reply: Reply | undefined): void => {
      this.#unanswered -= 1;
      this.#answered.open();
      if (this.#isOver) return;
      if (reply === undefined) return failed(error ?? faults.notServing('the coordinator', 'leaving'));
      if (reply.kind === 'fenced') return this.#fenced(reply.error);
      answer(reply);
    };
    try {
      owner.submit(request, settle);
    } catch (error) {
      settle(this.#ports.seal(error), undefined);
    }
  }

  #fenced(error: MoldauError): void {
    this.#say({ case: 'fenced', value: toWireError(error) });
    this.#over();
  }

  /** After the last frame. */
  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#joined?.owned.guests.delete(this.#number);
    this.#answered.open();
    // What is said is still sent.
    this.#session.end();
  }

  #tick(): void {
    if (this.#liveness.owesHeartbeat) this.#say({ case: 'heartbeat', value: {} });
    if (this.#isListening && this.#liveness.peerIsSilent)
      this.#session.cancel(new MoldauError('UNREACHABLE', 'the member was silent for too long: come back'));
  }

  #say(frame: Response): void {
    if (this.#isOver) return;
    this.#liveness.said();
    // A member that does not read has its stream broken, in bytes, by the session: it has to come back.
    this.#session.send({ frame });
  }
}
