import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type Clock,
  faults,
  hasReason,
  jittered,
  type Logger,
  leaderEpoch,
  type Millis,
  MoldauError,
  type NodeEpoch,
  type NodeId,
  type Random,
  repeat,
  sleep,
  type Timers,
  Wakeup,
} from '@moldau/kernel';
import {
  type AckSchema,
  type HelloSchema,
  type NackSchema,
  type ReadySchema,
  type ReplicateRequestSchema,
  type ReplicateResponse,
  ReplicationService,
} from '@moldau/proto/moldau/internal/v1/replication_pb';
import type { Mismatch } from '@moldau/replication';
import type { Channel, Dialer, Session } from '@moldau/rpc';
import { offsetFrom } from '../wire.ts';
import type { Following } from './following.ts';
import { beatEveryMs, silentAfterMs } from './leader-stream.ts';
import { entriesMax, hellosMax, requireFew } from './peer-limits.ts';
import type { ReplicationMetrics } from './replication-metrics.ts';
import { fromData, fromReject, fromWelcome, toNack } from './wire.ts';

type Request = MessageInitShape<typeof ReplicateRequestSchema>;
type Ack = MessageInitShape<typeof AckSchema> & { readonly session: number };

/** What a stream needs of its node. */
export interface FollowerStreamPorts {
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: ReplicationMetrics;
  readonly me: NodeId;
  /** `undefined`: not registered yet. */
  identity(): { readonly clusterId: string; readonly nodeEpoch: NodeEpoch } | undefined;
  /** Where a node is, as far as this one knows. */
  addressOf(node: NodeId): string | undefined;
  /** A number for a session, unique on this node: what one stream says is never taken for what another one says. */
  nextSession(): number;
}

/** Bytes that a leader may send and that are not durable here. */
const windowBytes = 4 * 1024 * 1024;
const reopenMs: Millis = 100;

/** The stream of this node to one leader, with all partitions that it follows there. Open while one is wanted. */
export class FollowerStream {
  readonly #leader: NodeId;
  readonly #ports: FollowerStreamPorts;
  readonly #stopping = new AbortController();
  readonly #wakeup = new Wakeup();
  readonly #wanting = new Set<Following>();
  readonly #sessions = new Map<number, Following>();
  #running: Promise<void> | undefined;
  #session: Session<Request, ReplicateResponse> | undefined;
  #streams = 0n;
  #hellos: MessageInitShape<typeof HelloSchema>[] = [];
  #readies: MessageInitShape<typeof ReadySchema>[] = [];
  readonly #acks = new Map<number, Ack>();
  #nacks: MessageInitShape<typeof NackSchema>[] = [];
  /** To be given to the leader. */
  #creditBytes = 0;
  /** What it has, as far as we have heard. */
  #grantedBytes = 0;
  #flushScheduled = false;
  #isCongested = false;
  #heardAt: Millis = 0;

  constructor(leader: NodeId, ports: FollowerStreamPorts) {
    this.#leader = leader;
    this.#ports = ports;
  }

  get isOpen(): boolean {
    return this.#session !== undefined;
  }

  /** `follower` wants a session: it is opened when the stream is. */
  want(follower: Following): void {
    this.#wanting.add(follower);
    this.#running ??= this.#run();
    this.#wakeup.wake();
    if (this.#session !== undefined) this.#openWanting();
  }

  hello(follower: Following, hello: MessageInitShape<typeof HelloSchema> & { readonly session: number }): void {
    this.#sessions.set(hello.session, follower);
    this.#hellos.push(hello);
    this.#scheduleFlush();
  }

  ready(ready: MessageInitShape<typeof ReadySchema>): void {
    this.#readies.push(ready);
    this.#scheduleFlush();
  }

  /** The newest one of a session counts: a frame carries all of a sync round. */
  ack(ack: Ack): void {
    this.#acks.set(ack.session, ack);
    this.#scheduleFlush();
  }

  nack(follower: Following, session: number, reason: Mismatch | 'left'): void {
    if (this.#sessions.get(session) !== follower) return;
    this.#sessions.delete(session);
    this.#acks.delete(session);
    this.#ports.metrics.nacked(reason);
    this.#nacks.push({ session, reason: toNack(reason) });
    this.#scheduleFlush();
  }

  /** What was received is durable, or dropped. */
  giveBack(bytes: number): void {
    this.#creditBytes += bytes;
    this.#scheduleFlush();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#session?.cancel();
    this.#wakeup.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { timers, random, logger } = this.#ports;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if (this.#wanting.size === 0 && this.#sessions.size === 0) {
        await this.#wakeup.wait(timers, 60_000);
        continue;
      }
      try {
        await this.#follow();
      } catch (error) {
        if (!(error instanceof MoldauError)) logger.error('a bug has ended a stream of replication', { error });
        else if (isForGood(error)) logger.warn('a leader refuses this node', { leader: this.#leader, error });
        else if (!signal.aborted) logger.debug('a stream of replication ended', { leader: this.#leader, error });
      }
      this.#session = undefined;
      this.#closeAll();
      await sleep(timers, jittered(random, reopenMs), signal).catch(() => {});
    }
  }

  async #follow(): Promise<void> {
    const { dialer, timers, clock, me } = this.#ports;
    const identity = this.#ports.identity();
    const address = this.#ports.addressOf(this.#leader);
    if (identity === undefined || address === undefined) return;
    const channel: Channel = dialer.dial(address, 'replication');
    const session = channel.session(ReplicationService.method.replicate);
    const cancelTick = repeat(timers, beatEveryMs, () => this.#tick(session));
    this.#session = session;
    this.#heardAt = clock.monotonicMs();
    this.#creditBytes = 0;
    this.#grantedBytes = windowBytes;
    this.#isCongested = false;
    const { clusterId, nodeEpoch } = identity;
    this.#streams += 1n;
    session.send({
      greeting: { version: 1, clusterId, nodeId: me, nodeEpoch, leaderId: this.#leader, stream: this.#streams },
      creditBytes: BigInt(windowBytes),
    });
    this.#openWanting();
    try {
      for await (const frame of session.incoming) this.#take(frame);
    } finally {
      cancelTick();
      session.cancel();
      channel.close();
    }
  }

  #openWanting(): void {
    const wanting = [...this.#wanting];
    this.#wanting.clear();
    for (const follower of wanting) follower.open(this, this.#ports.nextSession());
  }

  #take(frame: ReplicateResponse): void {
    requireFew({ rejects: frame.rejects, welcomes: frame.welcomes, data: frame.data, beats: frame.beats }, entriesMax);
    this.#heardAt = this.#ports.clock.monotonicMs();
    for (const { session, reason } of frame.rejects) {
      const follower = this.#sessions.get(session);
      this.#sessions.delete(session);
      follower?.heard({ kind: 'refused', session, reason: fromReject(reason) });
    }
    for (const welcome of frame.welcomes) this.#sessions.get(welcome.session)?.heard(fromWelcome(welcome));
    for (const data of frame.data) {
      // One whole entry may come on what is left, however little that is.
      if (this.#grantedBytes <= 0) throw faults.invalidRequest('data', 'came without credit');
      this.#grantedBytes -= data.batches.length;
      this.#ports.metrics.received(data.batches.length);
      const follower = this.#sessions.get(data.session);
      if (follower === undefined) this.giveBack(data.batches.length);
      else follower.received(data.session, fromData(data));
    }
    for (const { session, leaderEpoch: epoch, highWatermark, logStart } of frame.beats) {
      const moved = {
        highWatermark: offsetFrom('beats.high_watermark', highWatermark),
        logStart: offsetFrom('beats.log_start', logStart),
      };
      this.#sessions.get(session)?.heard({ kind: 'beat', session, epoch: leaderEpoch(epoch), ...moved });
    }
  }

  #closeAll(): void {
    const sessions = [...this.#sessions];
    this.#sessions.clear();
    this.#acks.clear();
    [this.#hellos, this.#readies, this.#nacks] = [[], [], []];
    for (const [session, follower] of sessions) follower.heard({ kind: 'closed', session });
  }

  #tick(session: Session<Request, ReplicateResponse>): void {
    if (this.#ports.clock.monotonicMs() - this.#heardAt >= silentAfterMs) {
      return session.cancel(faults.notServing(`node ${this.#leader}`, 'silent for too long'));
    }
    this.#flush(true);
  }

  /** A sync round ends for many partitions in one turn: their acks go out as one frame. */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      this.#flush(false);
    });
  }

  #flush(alsoEmpty: boolean): void {
    const session = this.#session;
    let mayBeEmpty = alsoEmpty;
    while (session !== undefined && !this.#isCongested && (mayBeEmpty || this.#hasSomething)) {
      mayBeEmpty = false;
      if (session.send(this.#nextFrame()) || session.signal.aborted) continue;
      this.#isCongested = true;
      void session.drained().then(() => {
        if (this.#session !== session) return;
        this.#isCongested = false;
        this.#flush(false);
      });
    }
  }

  get #hasSomething(): boolean {
    const entries = this.#hellos.length + this.#readies.length + this.#nacks.length + this.#acks.size;
    return entries > 0 || this.#creditBytes > 0;
  }

  #nextFrame(): Request {
    const acks = [...this.#acks.values()].slice(0, entriesMax);
    for (const { session } of acks) this.#acks.delete(session);
    const creditBytes = this.#creditBytes;
    this.#creditBytes = 0;
    this.#grantedBytes += creditBytes;
    return {
      hellos: this.#hellos.splice(0, hellosMax),
      readies: this.#readies.splice(0, entriesMax),
      nacks: this.#nacks.splice(0, entriesMax),
      acks,
      creditBytes: BigInt(creditBytes),
    };
  }
}

/** What trying again won't change. */
const isForGood = (error: MoldauError): boolean => hasReason(error, 'WRONG_CLUSTER') || hasReason(error, 'STALE_NODE');
