import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type Clock,
  faults,
  hasReason,
  type Logger,
  leaderEpoch,
  type Millis,
  type NodeEpoch,
  type NodeId,
  type Offset,
  offset,
  partitionIndex,
  partitionKey,
  repeat,
  type Timers,
  topicId,
} from '@moldau/kernel';
import type { LogSlice } from '@moldau/log';
import type {
  BeatSchema,
  Hello,
  RejectSchema,
  ReplicaDataSchema,
  ReplicateRequest,
  ReplicateResponseSchema,
  WelcomeSchema,
} from '@moldau/proto/moldau/internal/v1/replication_pb';
import type { EpochStart, Match } from '@moldau/replication';
import type { Session } from '@moldau/rpc';
import type { Partition } from '../partition.ts';
import type { Partitions } from '../partitions.ts';
import { joined } from '../slice-head.ts';
import type { FollowerSession } from './leading.ts';
import { fromHello, type Refusal, toData, toReject, toWelcome } from './wire.ts';

type Response = MessageInitShape<typeof ReplicateResponseSchema>;

/** What a stream needs of its node. */
export interface LeaderStreamPorts {
  readonly partitions: Partitions;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** A number for a session, unique on this node. */
  nextSession(): number;
}

/** Both sides speak twice a second: one that is silent for so long is gone, or stands still. */
export const silentAfterMs: Millis = 5_000;
export const beatEveryMs: Millis = 500;
/** What moved goes out with the next data, or after this. */
const oweMs: Millis = 2;
/** A frame is filled with batches up to this. */
const frameBytes = 512 * 1024;
/** What one partition puts into a frame before it is another one's turn. */
const turnBytes = 128 * 1024;

/** The stream of one follower to this node, with all partitions that it follows here. */
export class LeaderStream {
  readonly #session: Session<Response, ReplicateRequest>;
  readonly #node: NodeId;
  readonly #nodeEpoch: NodeEpoch;
  readonly #ports: LeaderStreamPorts;
  /** By the numbers of the follower. */
  readonly #pushes = new Map<number, Push>();
  /** Those that have something to send, in the order of their turns. */
  readonly #queue = new Set<Push>();
  readonly #owing = new Set<Push>();
  #rejects: MessageInitShape<typeof RejectSchema>[] = [];
  #welcomes: MessageInitShape<typeof WelcomeSchema>[] = [];
  #creditBytes = 0;
  #isCongested = false;
  #pumpScheduled = false;
  #beatScheduled = false;
  #heardAt: Millis;

  constructor(
    session: Session<Response, ReplicateRequest>,
    from: { readonly node: NodeId; readonly nodeEpoch: NodeEpoch },
    ports: LeaderStreamPorts,
  ) {
    this.#session = session;
    this.#node = from.node;
    this.#nodeEpoch = from.nodeEpoch;
    this.#ports = ports;
    this.#heardAt = ports.clock.monotonicMs();
  }

  /** Serves the follower until its stream ends. `first`: its first frame, the greeting's. */
  async run(first: ReplicateRequest, frames: AsyncIterator<ReplicateRequest>): Promise<void> {
    const cancelTick = repeat(this.#ports.timers, beatEveryMs, () => this.#tick());
    try {
      this.#take(first);
      for (let next = await frames.next(); next.done !== true; next = await frames.next()) this.#take(next.value);
      this.#session.end();
    } finally {
      cancelTick();
      for (const push of [...this.#pushes.values()]) this.#close(push);
    }
  }

  #take(frame: ReplicateRequest): void {
    this.#heardAt = this.#ports.clock.monotonicMs();
    this.#creditBytes += Number(frame.creditBytes);
    for (const { session } of frame.nacks) {
      const push = this.#pushes.get(session);
      if (push !== undefined) this.#close(push);
    }
    for (const hello of frame.hellos) this.#hello(hello);
    for (const { session, durableEnd, lastEpoch } of frame.readies) {
      this.#pushes.get(session)?.heard('ready', durableEnd, BigInt(lastEpoch));
    }
    for (const { session, durableEnd, logStart } of frame.acks) {
      this.#pushes.get(session)?.heard('acked', durableEnd, logStart);
    }
    this.#schedulePump();
  }

  #hello(message: Hello): void {
    const { topicId: topic, partition: index, session: number } = message;
    const partition = this.#ports.partitions.get(partitionKey(topicId(topic), partitionIndex(index)));
    const push = new Push(this.#ports.nextSession(), number, this.#node, partition, this.#events());
    const hello = fromHello(message, { node: this.#node, nodeEpoch: this.#nodeEpoch }, push.id);
    if (this.#pushes.has(number)) throw faults.invalidRequest('hello.session', `is ${number}, which is in use`);
    this.#pushes.set(number, push);
    if (partition?.leading === undefined) push.refuse('not-leader', partition?.log.storedEpoch ?? 0);
    else partition.leading.hello(push, hello);
  }

  #events(): PushEvents {
    return {
      refused: (push, reason, epoch) => {
        this.#drop(push);
        this.#rejects.push({ session: push.number, reason: toReject(reason), leaderEpoch: epoch });
        this.#schedulePump();
      },
      welcomed: (push, match, covering) => {
        const { log } = push.partition;
        this.#welcomes.push({
          session: push.number,
          leaderEpoch: push.epoch,
          logStart: log.logStart,
          highWatermark: log.highWatermark,
          ...toWelcome(match, covering),
        });
        this.#schedulePump();
      },
      ready: (push) => {
        this.#queue.add(push);
        this.#schedulePump();
      },
      owes: (push) => {
        this.#owing.add(push);
        if (this.#beatScheduled) return;
        this.#beatScheduled = true;
        this.#ports.timers.after(oweMs, () => {
          this.#beatScheduled = false;
          this.#pump();
        });
      },
      ended: (push) => {
        this.#drop(push);
        // A follower that has not ended it itself has to hear of it.
        this.#rejects.push({ session: push.number, reason: toReject('protocol'), leaderEpoch: push.epoch });
        this.#schedulePump();
      },
    };
  }

  /** The follower, or its stream, has left. */
  #close(push: Push): void {
    this.#drop(push);
    push.left();
  }

  #drop(push: Push): void {
    push.isOver = true;
    if (this.#pushes.get(push.number) === push) this.#pushes.delete(push.number);
    this.#queue.delete(push);
    this.#owing.delete(push);
  }

  /** What several partitions write in one turn goes out as one frame. */
  #schedulePump(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (!this.#isCongested && !this.#session.signal.aborted) {
      const data = this.#fill();
      const beats = this.#beatScheduled ? [] : this.#beats();
      if (data.length + beats.length + this.#rejects.length + this.#welcomes.length === 0) return;
      this.#say({ data, beats });
    }
  }

  #fill(): MessageInitShape<typeof ReplicaDataSchema>[] {
    const data: MessageInitShape<typeof ReplicaDataSchema>[] = [];
    let bytes = 0;
    for (const push of this.#queue) {
      if (this.#creditBytes <= 0 || bytes >= frameBytes) break;
      this.#queue.delete(push);
      const piece = push.take(Math.min(turnBytes, frameBytes - bytes));
      if (piece === undefined) continue;
      bytes += piece.batches.length;
      this.#creditBytes -= piece.batches.length;
      data.push(toData(push.number, piece));
      this.#owing.delete(push);
      // Behind the others, if there is more.
      push.wake();
    }
    return data;
  }

  #beats(): MessageInitShape<typeof BeatSchema>[] {
    const beats = [...this.#owing].map((push) => {
      const { highWatermark, logStart } = push.partition.log;
      return { session: push.number, leaderEpoch: push.epoch, highWatermark, logStart };
    });
    this.#owing.clear();
    return beats;
  }

  #tick(): void {
    if (this.#ports.clock.monotonicMs() - this.#heardAt >= silentAfterMs) {
      return this.#session.cancel(faults.notServing('this stream', 'silent for too long'));
    }
    if (!this.#isCongested) this.#say({ beats: this.#beats() });
  }

  #say(frame: Pick<Response, 'data' | 'beats'>): void {
    const [rejects, welcomes] = [this.#rejects, this.#welcomes];
    this.#rejects = [];
    this.#welcomes = [];
    if (this.#session.send({ ...frame, rejects, welcomes }) || this.#session.signal.aborted) return;
    this.#isCongested = true;
    void this.#session.drained().then(() => {
      this.#isCongested = false;
      this.#pump();
    });
  }
}

interface PushEvents {
  refused(push: Push, reason: Refusal, epoch: number): void;
  welcomed(push: Push, match: Match, covering: EpochStart | undefined): void;
  /** It has something to send. */
  ready(push: Push): void;
  /** Its high watermark or log start has moved. */
  owes(push: Push): void;
  ended(push: Push): void;
}

/** One partition of a stream: where its follower stands, and what is to be sent next. */
class Push implements FollowerSession {
  readonly id: number;
  readonly number: number;
  readonly node: NodeId;
  readonly #partition: Partition | undefined;
  readonly #events: PushEvents;
  isOver = false;
  /** The end that the follower is believed to have. `undefined`: it has not said Ready. */
  #next: Offset | undefined;
  #isReading = false;
  #loaded: LogSlice | undefined;

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

  refuse(reason: Refusal, epoch: number): void {
    if (!this.isOver) this.#events.refused(this, reason, epoch);
  }

  welcome(match: Match, covering: EpochStart | undefined): void {
    this.#events.welcomed(this, match, covering);
  }

  push(from: Offset): void {
    this.#next = from;
    this.#events.owes(this);
    this.wake();
  }

  wake(): void {
    if (this.#next === undefined || this.isOver || this.#isReading) return;
    if (this.#next < this.partition.log.writtenEnd) this.#events.ready(this);
  }

  owe(): void {
    if (this.#next !== undefined && !this.isOver) this.#events.owes(this);
  }

  end(): void {
    this.#events.ended(this);
  }

  left(): void {
    this.#partition?.leading?.heard({ kind: 'left', node: this.node, session: this.id });
  }

  heard(kind: 'ready' | 'acked', end: bigint, more: bigint): void {
    const { leading } = this.partition;
    const about = { node: this.node, session: this.id, durableEnd: offset(end) };
    if (kind === 'ready') leading?.heard({ kind, ...about, lastEpoch: leaderEpoch(Number(more)) });
    else leading?.heard({ kind, ...about, logStart: offset(more) });
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
    return {
      epoch: leaderEpoch(this.epoch),
      from,
      previousEpoch: from > log.logStart ? (log.epochOf(offset(from - 1n)) ?? leaderEpoch(0)) : leaderEpoch(0),
      epochs: log.epochsWithin(from, slice.nextOffset),
      batches: joined(slice.chunks),
      highWatermark: log.highWatermark,
      logStart: log.logStart,
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
        // Retention came first, or the own copy is damaged: the follower begins again, and finds out.
        const isOvertaken = hasReason(error, 'OFFSET_OUT_OF_RANGE');
        this.left();
        this.refuse(isOvertaken ? 'protocol' : 'busy', this.epoch);
      },
    );
  }
}
