import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  assert,
  type CancelTimer,
  type Clock,
  hasReason,
  jittered,
  type Logger,
  type Millis,
  MoldauError,
  type NodeEpoch,
  type NodeId,
  nodeEpoch,
  type Random,
  repeat,
  sleep,
  type Timers,
} from '@moldau/kernel';
import {
  ControllerService,
  type IsrChangeSchema,
  type IsrResult,
  type NodeSessionRequestSchema,
  type NodeSessionResponse,
  type PartitionReportSchema,
} from '@moldau/proto/moldau/internal/v1/controller_pb';
import type { Channel, Session } from '@moldau/rpc';
import type { ProducerIdBlock } from './producer-ids.ts';

type Report = MessageInitShape<typeof PartitionReportSchema>;
type NodeSessionStream = Session<MessageInitShape<typeof NodeSessionRequestSchema>, NodeSessionResponse>;

/** Who this node is, as it registers. */
export interface Registration {
  readonly nodeId: NodeId;
  /** `undefined`: a new directory, which joins whatever cluster answers. */
  readonly clusterId: string | undefined;
  readonly incarnation: string;
  readonly address: string;
  readonly rack: string;
  readonly programVersion: string;
  /** The highest metadata version that the node has seen. */
  readonly highestVersion: bigint;
}

/** What the link tells the node. */
export interface ControllerEvents {
  /** Once, before anything else. */
  registered(clusterId: string, epoch: NodeEpoch): Promise<void>;
  /** Assignments and tombstones, in order; returns what was found of the partitions that are new to the node. */
  apply(message: NodeSessionResponse): Promise<readonly Report[]>;
  isDiskFull(): boolean;
  /** Another start of this node id has taken its place: this process must end. */
  fenced(reason: string): void;
}

const heartbeatEveryMs = 1_000;
/** A change of in-sync replicas without an answer is asked for again by whoever wanted it. */
const alterIsrMs = 5_000;
/** Before the next coordinator is asked: all but one of them are standing by. */
const reopenAfterMs = 250;
/** A coordinator that does not end the session by then has its reasons: the node goes. */
const goodbyeMs = 1_000;
/** The coordinator speaks every second: silent for so long, it stands still or the stream is half open, whatever TCP says. */
const silentAfterMs = 4_000;

/**
 * The node's line to the active coordinator: registers once, then keeps a session open for as long as the node lives. It
 * knows the addresses of all coordinators, and finds the active one by asking: the others answer NOT_SERVING.
 */
export class ControllerLink {
  readonly #channels: readonly Channel[];
  readonly #registration: Registration;
  readonly #events: ControllerEvents;
  readonly #ports: { readonly clock: Clock; readonly timers: Timers; readonly random: Random; readonly logger: Logger };
  readonly #stopping = new AbortController();
  #epoch: NodeEpoch | undefined;
  #clusterId: string | undefined;
  #sessionTimeoutMs: Millis = Number.POSITIVE_INFINITY;
  #session: NodeSessionStream | undefined;
  #cancelGoodbye: CancelTimer = () => {};
  #storageFailed = false;
  #leaving = false;
  /** The highest metadata version that was applied. */
  #seen: bigint;
  /** Counts the coordinators that were asked. */
  #asked = 0;

  constructor(
    channels: readonly Channel[],
    registration: Registration,
    events: ControllerEvents,
    ports: { clock: Clock; timers: Timers; random: Random; logger: Logger },
  ) {
    assert(channels.length > 0, 'a node knows a coordinator');
    this.#channels = channels;
    this.#registration = registration;
    this.#seen = registration.highestVersion;
    this.#events = events;
    this.#ports = ports;
  }

  /** Runs until `stop`. Rejects when the coordinator refuses this node for good. */
  async run(): Promise<void> {
    try {
      await this.#run();
    } finally {
      this.#cancelGoodbye();
      this.#close();
    }
  }

  async #run(): Promise<void> {
    const { random, timers, logger } = this.#ports;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#register();
        await this.#follow();
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        const isForeign = hasReason(error, 'WRONG_CLUSTER');
        if ((isForeign && this.#epoch === undefined) || hasReason(error, 'STALE_NODE')) throw error;
        if (isForeign)
          logger.error('a coordinator is of another cluster: it does not belong into this list', { error });
        else logger.warn('lost the coordinator; trying the next one', { coordinator: this.#channel.address, error });
        this.#asked += 1;
      }
      await sleep(timers, jittered(random, reopenAfterMs), this.#stopping.signal).catch(() => {});
    }
  }

  /** Says what has become of a partition since it was reported. */
  report(report: Report): void {
    this.#say({ reports: [report] });
  }

  /** Says that the disk has failed: the partitions are to move. */
  reportStorageFailure(): void {
    this.#storageFailed = true;
    this.#say({});
  }

  /** Says that this node leaves: others are to lead. It still hears who does. */
  leave(): void {
    this.#leaving = true;
    this.#say({});
  }

  /** Says good-bye, and ends: as soon as the coordinator has heard it, so that it knows of no crash. */
  stop(): void {
    this.leave();
    this.#stopping.abort();
    if (this.#session === undefined) return this.#close();
    this.#session.end();
    this.#session = undefined;
    this.#cancelGoodbye = this.#ports.timers.after(goodbyeMs, () => this.#close());
  }

  #close(): void {
    for (const channel of this.#channels) channel.close();
  }

  async takeProducerIds(): Promise<ProducerIdBlock> {
    const { nodeId } = this.#registration;
    if (this.#epoch === undefined) throw new MoldauError('NOT_SERVING', 'this node is not registered yet: retry');
    return this.#channel.unary(ControllerService.method.allocateProducerIds, { nodeId, nodeEpoch: this.#epoch });
  }

  /** Asks for other in-sync replicas. Rejects when there is no answer: then nothing is known. */
  async alterIsr(changes: readonly MessageInitShape<typeof IsrChangeSchema>[]): Promise<readonly IsrResult[]> {
    const { nodeId } = this.#registration;
    if (this.#epoch === undefined) throw new MoldauError('NOT_SERVING', 'this node is not registered yet: retry');
    const request = { nodeId, nodeEpoch: this.#epoch, changes: [...changes] };
    const options = { timeoutMs: alterIsrMs };
    return (await this.#channel.unary(ControllerService.method.alterIsr, request, options)).results;
  }

  get nodeEpoch(): NodeEpoch | undefined {
    return this.#epoch;
  }

  /** How long this node, and any other, may be silent before it is fenced. */
  get sessionTimeoutMs(): Millis {
    return this.#sessionTimeoutMs;
  }

  /** To the coordinator that is active, as far as this node knows. */
  get #channel(): Channel {
    const channel = this.#channels[this.#asked % this.#channels.length];
    assert(channel !== undefined, 'there is a channel for each coordinator');
    return channel;
  }

  async #register(): Promise<void> {
    if (this.#epoch !== undefined) return;
    const { clusterId, ...registration } = this.#registration;
    const answer = await this.#channel.unary(ControllerService.method.registerNode, {
      version: 1,
      clusterId: clusterId ?? '',
      ...registration,
    });
    this.#epoch = nodeEpoch(answer.nodeEpoch);
    this.#clusterId = answer.clusterId;
    this.#sessionTimeoutMs = answer.sessionTimeoutMs;
    await this.#events.registered(answer.clusterId, this.#epoch);
  }

  async #follow(): Promise<void> {
    const session = this.#channel.session(ControllerService.method.nodeSession);
    this.#session = session;
    this.#say({ clusterId: this.#clusterId ?? '' });
    const { clock, timers } = this.#ports;
    /** `undefined`: a message is being applied, and what comes behind it waits unread. */
    let listeningSince: Millis | undefined = clock.monotonicMs();
    const cancel: CancelTimer = repeat(timers, heartbeatEveryMs, () => {
      this.#say({});
      if (listeningSince === undefined || clock.monotonicMs() - listeningSince < silentAfterMs) return;
      session.cancel(silent(silentAfterMs));
    });
    try {
      for await (const message of session.incoming) {
        if (this.#stopping.signal.aborted) continue;
        listeningSince = undefined;
        if (message.fenced !== undefined) {
          this.#events.fenced(message.fenced);
          return;
        }
        if (message.version < this.#seen) throw olderMetadata(message.version, this.#seen);
        const reports = await this.#events.apply(message);
        this.#seen = message.version;
        if (reports.length > 0 || message.snapshot) this.#say({ reports: [...reports], ready: message.snapshot });
        listeningSince = clock.monotonicMs();
      }
    } finally {
      cancel();
      this.#session = undefined;
      session.cancel();
    }
  }

  #say(words: Omit<MessageInitShape<typeof NodeSessionRequestSchema>, '$typeName'>): void {
    if (this.#epoch === undefined) return;
    this.#session?.send({
      nodeId: this.#registration.nodeId,
      nodeEpoch: this.#epoch,
      storageFailed: this.#storageFailed,
      diskFull: this.#events.isDiskFull(),
      leaving: this.#leaving,
      highestVersion: this.#seen,
      ...words,
    });
  }
}

const silent = (forMs: Millis): MoldauError =>
  new MoldauError('UNREACHABLE', `the coordinator has not spoken for ${forMs} ms: asking again, or another one`);

/** Not even a deposed coordinator has older metadata: the store was restored, and its epochs can't be trusted. */
const olderMetadata = (version: bigint, seen: bigint): MoldauError =>
  new MoldauError(
    'NOT_SERVING',
    `the coordinator is at metadata version ${version}, and this node has seen ${seen}: its store was restored to an older state. Restore it with its revision raised above ${seen}`,
  );
