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
import type { NodeRole } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import {
  ControllerService,
  type NodeSessionRequestSchema,
  type NodeSessionResponse,
  type PartitionReportSchema,
} from '@moldau/proto/moldau/internal/v1/controller_pb';
import type { Channel, Dialer, Session } from '@moldau/rpc';

type Report = MessageInitShape<typeof PartitionReportSchema>;
type Words = Exclude<MessageInitShape<typeof NodeSessionRequestSchema>, { $typeName: string }>;
type NodeSessionStream = Session<MessageInitShape<typeof NodeSessionRequestSchema>, NodeSessionResponse>;

/** One start of a node, as it registers. */
export interface Registration {
  readonly nodeId: NodeId;
  readonly role: NodeRole;
  /** That of what it keeps. `undefined`: it keeps nothing, or nothing yet, and joins whatever cluster answers. */
  readonly clusterId: string | undefined;
  /** Random, new for each start. */
  readonly incarnation: string;
  /** Where clients and peers reach it, as host:port. */
  readonly address: string;
  readonly rack: string;
  readonly programVersion: string;
  /** The highest metadata version that the node has seen. 0: none. */
  readonly highestVersion: bigint;
}

/** The node, as its link sees it. */
export interface LinkedNode {
  /** Once, before anything else. */
  registered(clusterId: string, epoch: NodeEpoch): Promise<void>;
  /** Takes what the coordinator says, in order; returns what was found of the partitions that are new to the node. */
  apply(message: NodeSessionResponse): Promise<readonly Report[]>;
  /** What the coordinator hears with everything that is said. */
  status(): Pick<Words, 'storageFailed' | 'diskFull' | 'lostShards'>;
}

/** The world, as a link sees it. */
export interface NodeLinkPorts {
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

const heartbeatEveryMs: Millis = 1_000;
/** Before the next coordinator is asked: all but one of them are standing by. */
const reopenAfterMs: Millis = 250;
/** A coordinator that does not end the session by then has its reasons: the node goes. */
const goodbyeMs: Millis = 1_000;
/** The coordinator speaks every second: silent for so long, it stands still or the stream is half open, whatever TCP says. */
const silentAfterMs: Millis = 4_000;

/**
 * A node's link to the active coordinator: registers this start once, then keeps a session open for as long as the node lives.
 * It knows the addresses of all coordinators, and finds the active one by asking: the others answer NOT_SERVING.
 */
export class NodeLink {
  readonly #channels: readonly Channel[];
  readonly #registration: Registration;
  readonly #node: LinkedNode;
  readonly #ports: NodeLinkPorts;
  readonly #stopping = new AbortController();
  #epoch: NodeEpoch | undefined;
  #clusterId: string | undefined;
  #sessionTimeoutMs: Millis = Number.POSITIVE_INFINITY;
  #session: NodeSessionStream | undefined;
  #cancelGoodbye: CancelTimer = () => {};
  #leaving = false;
  /** The highest metadata version that was applied. */
  #seen: bigint;
  /** Counts the coordinators that were asked. */
  #asked = 0;

  /** `coordinators`: host:port of all of them, at least one. */
  constructor(coordinators: readonly string[], registration: Registration, node: LinkedNode, ports: NodeLinkPorts) {
    assert(coordinators.length > 0, 'a node knows a coordinator');
    this.#channels = coordinators.map((address) => ports.dialer.dial(address, 'control'));
    this.#registration = registration;
    this.#seen = registration.highestVersion;
    this.#node = node;
    this.#ports = ports;
  }

  /**
   * Runs until `stop`. Rejects when this process can't be this node: with WRONG_CLUSTER, before it was registered; with
   * STALE_NODE, when another start has taken its place.
   */
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

  /** Says how the node is. For what can't wait for the next heartbeat. */
  reportStatus(): void {
    this.#say({});
  }

  /** Says that this node leaves: others are to have what it has. It still hears who does. */
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

  /** Where to ask the active coordinator for something, and as whom. Throws NOT_SERVING before this start is registered. */
  requireRegistered(): { readonly channel: Channel; readonly sender: { nodeId: NodeId; nodeEpoch: NodeEpoch } } {
    const { nodeId } = this.#registration;
    if (this.#epoch === undefined) throw new MoldauError('NOT_SERVING', 'this node is not registered yet: retry');
    return { channel: this.#channel, sender: { nodeId, nodeEpoch: this.#epoch } };
  }

  /** This start. `undefined`: it is not registered yet. */
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
    await this.#node.registered(answer.clusterId, this.#epoch);
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
      session.cancel(silent());
    });
    try {
      for await (const message of session.incoming) {
        if (this.#stopping.signal.aborted) continue;
        listeningSince = undefined;
        if (message.fenced !== undefined) throw new MoldauError('STALE_NODE', message.fenced);
        if (message.version < this.#seen) throw olderMetadata(message.version, this.#seen);
        const reports = await this.#node.apply(message);
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

  #say(words: Words): void {
    if (this.#epoch === undefined) return;
    this.#session?.send({
      nodeId: this.#registration.nodeId,
      nodeEpoch: this.#epoch,
      ...this.#node.status(),
      leaving: this.#leaving,
      highestVersion: this.#seen,
      ...words,
    });
  }
}

const silent = (): MoldauError =>
  new MoldauError(
    'UNREACHABLE',
    `the coordinator has not spoken for ${silentAfterMs} ms: asking again, or another one`,
  );

/** Not even a deposed coordinator has older metadata: the store was restored, and its epochs can't be trusted. */
const olderMetadata = (version: bigint, seen: bigint): MoldauError =>
  new MoldauError(
    'NOT_SERVING',
    `the coordinator is at metadata version ${version}, and this node has seen ${seen}: its store was restored to an older state. Restore it with its revision raised above ${seen}`,
  );
