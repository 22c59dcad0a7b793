import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  assert,
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
import { NodeRole } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import { ControllerService, type NodeSessionRequestSchema } from '@moldau/proto/moldau/internal/v1/controller_pb';
import type { Channel, Dialer } from '@moldau/rpc';
import type { LostShard } from './owned-shards.ts';

/** Who this process is, as it registers. */
export interface NodeRegistration {
  readonly nodeId: NodeId;
  /** Random, new for each start. */
  readonly incarnation: string;
  /** Where members reach it, as host:port. */
  readonly address: string;
  readonly rack: string;
  readonly programVersion: string;
}

/** The world, as the link sees it. */
export interface NodeLinkPorts {
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

const heartbeatEveryMs: Millis = 1_000;
/** Before the next coordinator is asked: all but one of them stand by. */
const reopenAfterMs: Millis = 250;
/** The coordinator speaks every second. */
const silentAfterMs: Millis = 4_000;

/**
 * The line of a group coordinator to the active coordinator: registers this start once, and keeps a session open for as long as the
 * process lives. While it is open, shards are given to this node; what was given is in the metadata of the cluster.
 */
export class NodeLink {
  readonly #channels: readonly Channel[];
  readonly #registration: NodeRegistration;
  readonly #ports: NodeLinkPorts;
  readonly #lostShards: () => readonly LostShard[];
  readonly #stopping = new AbortController();
  readonly #registering = Promise.withResolvers<void>();
  #epoch: NodeEpoch | undefined;
  #clusterId = '';
  #leaving = false;
  #say: (words: MessageInitShape<typeof NodeSessionRequestSchema>) => void = () => {};
  /** Counts the coordinators that were asked. */
  #asked = 0;

  /**
   * `coordinators`: host:port of all of them, at least one. `lostShards`: what this node was given and can't own any more; the
   * coordinator hears of it with every heartbeat, until it has given that out anew.
   */
  constructor(
    coordinators: readonly string[],
    registration: NodeRegistration,
    ports: NodeLinkPorts,
    lostShards: () => readonly LostShard[],
  ) {
    assert(coordinators.length > 0, 'a node knows a coordinator');
    this.#channels = coordinators.map((address) => ports.dialer.dial(address, 'control'));
    this.#registration = registration;
    this.#ports = ports;
    this.#lostShards = lostShards;
  }

  /** This start. `undefined`: it is not registered yet. */
  get epoch(): NodeEpoch | undefined {
    return this.#epoch;
  }

  /** Resolves when this start is registered. */
  get registered(): Promise<void> {
    return this.#registering.promise;
  }

  /** Runs until `stop`. Rejects with STALE_NODE when another start of this node has taken its place: the process must end. */
  async run(): Promise<void> {
    const { random, timers, logger } = this.#ports;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#register();
        await this.#follow();
      } catch (error) {
        if (signal.aborted) break;
        if (hasReason(error, 'STALE_NODE')) throw error;
        logger.warn('lost the coordinator; trying the next one', { coordinator: this.#channel.address, error });
        this.#asked += 1;
      }
      await sleep(timers, jittered(random, reopenAfterMs), signal).catch(() => {});
    }
    for (const channel of this.#channels) channel.close();
  }

  /** Says that this node leaves: its shards are to be given to others. */
  leave(): void {
    this.#leaving = true;
    this.#say({});
  }

  stop(): void {
    this.leave();
    this.#stopping.abort();
    this.#registering.resolve();
  }

  /** To the coordinator that is active, as far as this node knows. */
  get #channel(): Channel {
    const channel = this.#channels[this.#asked % this.#channels.length];
    assert(channel !== undefined, 'there is a channel for each coordinator');
    return channel;
  }

  async #register(): Promise<void> {
    if (this.#epoch !== undefined) return;
    const request = { version: 1, role: NodeRole.GROUP_COORDINATOR, ...this.#registration };
    const answer = await this.#channel.unary(ControllerService.method.registerNode, request);
    this.#epoch = nodeEpoch(answer.nodeEpoch);
    this.#clusterId = answer.clusterId;
    this.#registering.resolve();
  }

  async #follow(): Promise<void> {
    const { clock, timers } = this.#ports;
    const session = this.#channel.session(ControllerService.method.nodeSession, { signal: this.#stopping.signal });
    const { nodeId } = this.#registration;
    const { epoch } = this;
    assert(epoch !== undefined, 'a session is of a registered node');
    this.#say = (words) => {
      const lostShards = this.#lostShards().map(({ shard, epoch: lost }) => ({ index: shard, epoch: lost }));
      session.send({ nodeId, nodeEpoch: epoch, leaving: this.#leaving, lostShards, ...words });
    };
    this.#say({ clusterId: this.#clusterId });
    let heardAt = clock.monotonicMs();
    const cancel = repeat(timers, heartbeatEveryMs, () => {
      this.#say({});
      if (clock.monotonicMs() - heardAt >= silentAfterMs) session.cancel(silent());
    });
    try {
      for await (const { fenced, snapshot } of session.incoming) {
        heardAt = clock.monotonicMs();
        if (fenced !== undefined)
          throw new MoldauError('STALE_NODE', `another start of node ${nodeId} is there: ${fenced}`);
        // It keeps no partition, and so has nothing to report.
        if (snapshot) this.#say({ ready: true });
      }
    } finally {
      cancel();
      this.#say = () => {};
      session.cancel();
    }
  }
}

const silent = (): MoldauError =>
  new MoldauError(
    'UNREACHABLE',
    `the coordinator has not spoken for ${silentAfterMs} ms: asking again, or another one`,
  );
