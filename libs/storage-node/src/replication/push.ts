import { faults, hasReason, leaderEpoch, type NodeId, type Offset, offset } from '@moldau/kernel';
import type { Inherited, LogSlice } from '@moldau/log';
import type { Ack, Ready } from '@moldau/proto/moldau/internal/v1/replication_pb';
import type { Match } from '@moldau/replication';
import type { Partition } from '../partition.ts';
import { joined } from '../slice-head.ts';
import type { FollowerSession } from './leading.ts';
import type { Refusal } from './wire.ts';

/** What a session tells its stream. */
export interface PushEvents {
  refused(push: Push, reason: Refusal): void;
  welcomed(push: Push, match: Match, inherited: Inherited): void;
  /** It has something to send. */
  ready(push: Push): void;
  /** Its high watermark or log start has moved. */
  owes(push: Push): void;
  /** What was to be sent can't be read. */
  unreadable(push: Push, error: unknown): void;
}

/** One partition of a stream: where its follower stands, and what is to be sent next. */
export class Push implements FollowerSession {
  readonly id: number;
  readonly number: number;
  readonly node: NodeId;
  readonly #partition: Partition | undefined;
  readonly #events: PushEvents;
  isOver = false;
  ackedEnd: Offset | undefined;
  /** The end that the follower is believed to have. `undefined`: it has not said Ready. */
  #next: Offset | undefined;
  #isReading = false;
  #loaded: LogSlice | undefined;
  /** A log may start within a batch, and a copy can't: it begins with all of that batch, and then removes what is too much. */
  #begins: { readonly at: Offset; readonly batch: Offset } | undefined;
  #owesLogStart = false;

  constructor(id: number, number: number, node: NodeId, partition: Partition | undefined, events: PushEvents) {
    this.id = id;
    this.number = number;
    this.node = node;
    this.#partition = partition;
    this.#events = events;
  }

  get partition(): Partition {
    if (this.#partition === undefined) throw faults.notServing('this session', 'refused');
    return this.#partition;
  }

  get epoch(): number {
    return this.#partition?.leading?.epoch ?? 0;
  }

  refuse(reason: Refusal): void {
    if (!this.isOver) this.#events.refused(this, reason);
  }

  welcome(match: Match): void {
    if (match.kind === 'reset') void this.#welcomeAnew(match.to);
    else this.#events.welcomed(this, match, {});
  }

  async #welcomeAnew(at: Offset): Promise<void> {
    const { log, leading } = this.partition;
    try {
      const batch = await leading?.batchAt(at);
      if (this.isOver || batch === undefined) return;
      this.#begins = { at, batch };
      const inherited = {
        covering: log.epochCovering(batch),
        token: log.fencingTokenBefore(batch),
        tombstoneEnd: log.tombstoneEnd,
      };
      this.#events.welcomed(this, { kind: 'reset', to: batch }, inherited);
    } catch (error) {
      this.#cannotRead(error);
    }
  }

  push(from: Offset): void {
    this.#next = from;
    this.#events.owes(this);
    this.wake();
  }

  wake(): void {
    if (this.#next === undefined || this.isOver || this.#isReading) return;
    if (this.#owesLogStart) this.#events.owes(this);
    this.#owesLogStart = false;
    if (this.#next < this.partition.log.writtenEnd) this.#events.ready(this);
  }

  owe(): void {
    if (this.#next !== undefined && !this.isOver) this.#events.owes(this);
  }

  left(): void {
    this.#partition?.leading?.heard({ kind: 'left', node: this.node, session: this.id });
  }

  /** The follower has no space for more. */
  full(): void {
    this.#partition?.leading?.heard({ kind: 'full', node: this.node, session: this.id });
  }

  ready({ leaderEpoch: epoch, durableEnd, lastEpoch }: Ready): void {
    // Said twice, it would move what is to be sent next.
    if (epoch !== this.epoch || durableEnd < 0n || this.#next !== undefined) return this.#complain();
    const { node, id: session } = this;
    const ready = { node, session, durableEnd: this.#asHere(durableEnd), lastEpoch: leaderEpoch(lastEpoch) };
    this.ackedEnd = ready.durableEnd;
    this.partition.leading?.heard({ kind: 'ready', ...ready });
  }

  /** Only what was sent in this session can have become durable by it (I4). */
  acked({ leaderEpoch: epoch, durableEnd, logStart }: Ack): void {
    const isSent = this.#next !== undefined && durableEnd <= this.#next;
    if (epoch !== this.epoch || !isSent || logStart < 0n || logStart > durableEnd) return this.#complain();
    const { node, id: session } = this;
    const acked = { node, session, durableEnd: this.#asHere(durableEnd), logStart: offset(logStart) };
    this.ackedEnd = acked.durableEnd;
    this.partition.leading?.heard({ kind: 'acked', ...acked });
  }

  /** A copy that begins with a whole batch, and has nothing yet, has nothing of what this log starts with. */
  #asHere(end: bigint): Offset {
    return end === this.#begins?.batch ? this.#begins.at : offset(end);
  }

  /** With a follower that says what can't be, the session does not go on. */
  #complain(): void {
    this.left();
    this.refuse('protocol');
  }

  /** The next piece; `undefined`: none now, it will say when. Only what was written in full is ever pushed. */
  take(maxBytes: number) {
    const from = this.#next;
    if (from === undefined || this.isOver) return undefined;
    const { log } = this.partition;
    const slice = this.#loaded ?? log.readTail(from, { maxBytes, below: log.writtenEnd });
    if (slice === undefined) {
      this.#load(from, maxBytes);
      return undefined;
    }
    this.#loaded = undefined;
    if (slice.sizeBytes === 0) return undefined;
    this.#next = slice.nextOffset;
    const begin = from === this.#begins?.at ? this.#begins.batch : from;
    this.#owesLogStart = begin < log.logStart;
    return {
      epoch: leaderEpoch(this.epoch),
      from: begin,
      previousEpoch: begin > log.logStart ? (log.epochOf(offset(begin - 1n)) ?? leaderEpoch(0)) : leaderEpoch(0),
      epochs: log.epochsWithin(begin, slice.nextOffset),
      batches: joined(slice.chunks),
      highWatermark: log.highWatermark,
      logStart: begin < log.logStart ? begin : log.logStart,
      tombstoneEnd: log.tombstoneEnd,
    };
  }

  /** Catches up from the disk, which takes turns with everybody who reads from it. */
  #load(from: Offset, maxBytes: number): void {
    const { log } = this.partition;
    this.#isReading = true;
    log.read(from, { maxBytes, below: log.writtenEnd }).then(
      (slice) => {
        this.#isReading = false;
        if (this.#next === from) this.#loaded = slice;
        this.wake();
      },
      (error: unknown) => {
        this.#isReading = false;
        this.#cannotRead(error);
      },
    );
  }

  /** Retention came first, or the own copy is damaged: the follower begins again, and finds out. */
  #cannotRead(error: unknown): void {
    const isOvertaken = hasReason(error, 'OFFSET_OUT_OF_RANGE');
    if (!isOvertaken) this.#events.unreadable(this, error);
    this.left();
    this.refuse(isOvertaken ? 'protocol' : 'busy');
  }
}
