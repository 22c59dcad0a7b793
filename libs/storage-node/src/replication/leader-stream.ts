import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type Clock,
  faults,
  type Logger,
  type Millis,
  type NodeEpoch,
  type NodeId,
  partitionIndex,
  partitionKey,
  repeat,
  type Timers,
  topicId,
} from '@moldau/kernel';
import type {
  BeatSchema,
  Hello,
  RejectSchema,
  ReplicaDataSchema,
  ReplicateRequest,
  ReplicateResponseSchema,
  WelcomeSchema,
} from '@moldau/proto/moldau/internal/v1/replication_pb';
import type { Session } from '@moldau/rpc';
import type { Partitions } from '../partitions.ts';
import { answersMax, entriesMax, hellosMax, requireFew } from './peer-limits.ts';
import { Push, type PushEvents } from './push.ts';
import type { ReplicationMetrics } from './replication-metrics.ts';
import { fromHello, fromNack, type Refusal, toData, toReject, toWelcome } from './wire.ts';

type Response = MessageInitShape<typeof ReplicateResponseSchema>;

/** What a stream needs of its node. */
export interface LeaderStreamPorts {
  readonly partitions: Partitions;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: ReplicationMetrics;
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
  readonly #events: PushEvents;
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
    this.#events = this.#makeEvents();
    this.#heardAt = ports.clock.monotonicMs();
  }

  /** Serves the follower until its stream ends. `first`: its first frame, the greeting's. */
  async run(first: ReplicateRequest, frames: AsyncIterator<ReplicateRequest>): Promise<void> {
    const cancelTick = repeat(this.#ports.timers, beatEveryMs, () => this.#tick());
    try {
      this.#take(first);
      for (let next = await frames.next(); next.done !== true; next = await frames.next()) {
        if (next.value.greeting !== undefined) throw faults.invalidRequest('greeting', 'belongs into the first frame');
        this.#take(next.value);
        // Whoever asks and asks, and does not listen, is not heard.
        while (this.#rejects.length + this.#welcomes.length > answersMax && !this.#session.signal.aborted) {
          await this.#session.drained();
        }
      }
      this.#session.end();
    } finally {
      cancelTick();
      for (const push of [...this.#pushes.values()]) this.#close(push);
    }
  }

  #take(frame: ReplicateRequest): void {
    const { hellos, readies, acks, nacks, creditBytes } = frame;
    requireFew({ hellos }, hellosMax);
    requireFew({ readies, acks, nacks }, entriesMax);
    if (creditBytes < 0n) throw faults.invalidRequest('credit_bytes', `is ${creditBytes}: credit is only given`);
    this.#heardAt = this.#ports.clock.monotonicMs();
    this.#creditBytes += Number(creditBytes);
    for (const { session, reason } of nacks) this.#nacked(session, fromNack(reason));
    for (const hello of hellos) this.#hello(hello);
    for (const ready of readies) this.#pushes.get(ready.session)?.ready(ready);
    for (const ack of acks) this.#pushes.get(ack.session)?.acked(ack);
    this.#schedulePump();
  }

  #nacked(session: number, reason: ReturnType<typeof fromNack>): void {
    const push = this.#pushes.get(session);
    if (push === undefined) return;
    const facts = { partition: push.partition.log.key, follower: this.#node, reason };
    this.#ports.logger.debug('a follower has ended its session', facts);
    this.#drop(push);
    if (reason === 'disk-full') push.full();
    else push.left();
  }

  #hello(message: Hello): void {
    const { topicId: topic, partition: index, session: number } = message;
    const partition = this.#ports.partitions.get(partitionKey(topicId(topic), partitionIndex(index)));
    // Which of the two a frame then means is anybody's guess.
    if (this.#pushes.has(number)) throw faults.invalidRequest('hello.session', `is ${number}, which is in use`);
    const push = new Push(this.#ports.nextSession(), number, this.#node, partition, this.#events);
    this.#pushes.set(number, push);
    if (partition?.leading === undefined) return push.refuse('not-leader');
    const hello = fromHello(message, { node: this.#node, nodeEpoch: this.#nodeEpoch }, push.id);
    if (hello === undefined) return push.refuse('protocol');
    partition.leading.hello(push, hello);
  }

  #makeEvents(): PushEvents {
    return {
      refused: (push, reason) => this.#reject(push, reason),
      welcomed: (push, match, inherited) => {
        this.#welcomes.push({ session: push.number, leaderEpoch: push.epoch, ...toWelcome(match, inherited) });
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
      unreadable: (push, error) =>
        this.#ports.logger.warn('what a follower needs can not be read here', {
          partition: push.partition.log.key,
          error,
        }),
    };
  }

  #reject(push: Push, reason: Refusal): void {
    this.#drop(push);
    this.#ports.metrics.refused(reason);
    this.#rejects.push({ session: push.number, reason: toReject(reason) });
    this.#schedulePump();
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
      this.#ports.metrics.sent(piece.batches.length);
      data.push(toData(push.number, piece));
      this.#owing.delete(push);
      // Behind the others, if there is more.
      push.wake();
    }
    return data;
  }

  #beats(): MessageInitShape<typeof BeatSchema>[] {
    const beats: MessageInitShape<typeof BeatSchema>[] = [];
    for (const push of this.#owing) {
      if (beats.length >= entriesMax) break;
      this.#owing.delete(push);
      const { highWatermark, logStart } = push.partition.log;
      beats.push({ session: push.number, leaderEpoch: push.epoch, highWatermark, logStart });
    }
    return beats;
  }

  #tick(): void {
    if (this.#ports.clock.monotonicMs() - this.#heardAt >= silentAfterMs) {
      return this.#session.cancel(faults.notServing('this stream', 'silent for too long'));
    }
    if (!this.#isCongested) this.#say({ beats: this.#beats() });
  }

  #say(frame: Pick<Response, 'data' | 'beats'>): void {
    const [rejects, welcomes] = [this.#rejects.splice(0, entriesMax), this.#welcomes.splice(0, entriesMax)];
    if (this.#session.send({ ...frame, rejects, welcomes }) || this.#session.signal.aborted) return;
    this.#isCongested = true;
    void this.#session.drained().then(() => {
      this.#isCongested = false;
      this.#pump();
    });
  }
}
