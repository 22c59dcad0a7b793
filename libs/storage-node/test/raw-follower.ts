import type { MessageInitShape } from '@bufbuild/protobuf';
import { MoldauError } from '@moldau/kernel';
import {
  CopyState,
  type HelloSchema,
  RejectReason,
  type ReplicateRequestSchema,
  type ReplicateResponse,
  ReplicationService,
} from '@moldau/proto/moldau/internal/v1/replication_pb';
import type { Session } from '@moldau/rpc';
import type { SimulatedNode } from '@moldau/testing';
import type { ThreeCopies } from './three-copies.ts';

type Request = MessageInitShape<typeof ReplicateRequestSchema>;
type Hello = Omit<MessageInitShape<typeof HelloSchema>, '$typeName' | '$unknown'>;

/** Above all that the one who is gone has opened. */
let streams = 1_000n;

const nameOf = (reason: RejectReason): string | undefined =>
  Object.entries(RejectReason).find(([, value]) => value === reason)?.[0];

/** Someone who speaks as a follower does, and says what he likes. */
export class RawFollower {
  readonly frames: ReplicateResponse[] = [];
  readonly #world: ThreeCopies;
  readonly #leader: SimulatedNode;
  readonly #as: { readonly node: number; readonly epoch: bigint };
  readonly #session: Session<Request, ReplicateResponse>;
  #failure: unknown;

  constructor(world: ThreeCopies, as: { readonly node: number; readonly epoch: bigint }) {
    this.#world = world;
    this.#as = as;
    this.#leader = world.leader();
    const channel = world.cluster.network.dialer('stranger').dial(this.#leader.address, 'replication');
    this.#session = channel.session(ReplicationService.method.replicate);
    void this.#collect();
  }

  /** A greeting as it must be. */
  greeting(change: Partial<NonNullable<Request['greeting']>> = {}): Request {
    streams += 1n;
    const { clusterId } = this.#leader.service;
    const who = {
      version: 1,
      clusterId,
      nodeId: this.#as.node,
      nodeEpoch: this.#as.epoch,
      leaderId: Number(this.#leader.id),
    };
    return { greeting: { ...who, stream: streams, ...change }, creditBytes: 1_000_000n };
  }

  /** A Hello as it must be, of a copy that has everything. */
  hello(session: number, change: Partial<Hello> = {}): Hello {
    const { log, leading } = this.#world.partitionOn(this.#leader);
    return {
      session,
      topicId: this.#world.topic.id,
      partition: 0,
      leaderEpoch: leading?.epoch ?? 0,
      logStart: 0n,
      durableEnd: log.durableEnd,
      epochs: log.epochTail(64).map(({ epoch, start }) => ({ epoch, start })),
      copy: CopyState.WHOLE,
      ...change,
    };
  }

  async say(...frames: Request[]): Promise<void> {
    for (const frame of frames) this.#session.send(frame);
    await this.#world.time.runFor(20);
  }

  /** Why the stream was ended. */
  get reason(): string | undefined {
    return this.#failure instanceof MoldauError ? this.#failure.reason : undefined;
  }

  /** What was said of a session last: `welcome`, or why it was refused. */
  answer(session: number): string | undefined {
    const answers = this.frames.flatMap(({ welcomes, rejects }) => [
      ...welcomes.filter((one) => one.session === session).map(() => 'welcome'),
      ...rejects.filter((one) => one.session === session).map(({ reason }) => nameOf(reason)),
    ]);
    return answers.at(-1);
  }

  leave(): void {
    this.#session.cancel();
  }

  async #collect(): Promise<void> {
    try {
      for await (const frame of this.#session.incoming) this.frames.push(frame);
    } catch (error) {
      this.#failure = error;
    }
  }
}
