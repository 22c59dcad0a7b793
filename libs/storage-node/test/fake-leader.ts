import type { MessageInitShape } from '@bufbuild/protobuf';
import { silentLogger, silentMeter } from '@moldau/kernel';
import {
  NackReason,
  type ReplicateRequest,
  type ReplicateResponseSchema,
  ReplicationService,
} from '@moldau/proto/moldau/internal/v1/replication_pb';
import { stampBatch } from '@moldau/records';
import { type Session, serve } from '@moldau/rpc';
import { batchOf } from '@moldau/testing';
import type { ThreeCopies } from './three-copies.ts';

type Response = MessageInitShape<typeof ReplicateResponseSchema>;

const nameOf = (reason: NackReason): string | undefined =>
  Object.entries(NackReason).find(([, value]) => value === reason)?.[0];

/** Listens where a leader did, and says what a test likes. */
export class FakeLeader {
  readonly #time: ThreeCopies['time'];
  readonly #epoch: number;
  #frames: ReplicateRequest[] = [];
  #session: Session<Response, ReplicateRequest> | undefined;
  /** Streams that were opened. */
  streams = 0;

  constructor({ cluster, time }: ThreeCopies, address: string, epoch: number) {
    this.#time = time;
    this.#epoch = epoch;
    const service = serve(ReplicationService, {
      replicate: async (session) => {
        this.#frames = [];
        this.#session = session;
        this.streams += 1;
        for await (const frame of session.incoming) this.#frames.push(frame);
      },
    });
    const ports = { clock: time, timers: time, random: cluster.random, logger: silentLogger, meter: silentMeter };
    cluster.network.listen(address, [service], ports);
  }

  /** The newest session that a follower has begun. */
  get hello() {
    return this.#all('hellos').at(-1);
  }

  get creditBytes(): bigint {
    return this.#frames.reduce((sum, { creditBytes }) => sum + creditBytes, 0n);
  }

  acked(session: number): bigint | undefined {
    return this.#all('acks').findLast((ack) => ack.session === session)?.durableEnd;
  }

  /** Why a session was left. */
  nacked(session: number): string | undefined {
    const nack = this.#all('nacks').find((one) => one.session === session);
    return nack && nameOf(nack.reason);
  }

  isReady(session: number): boolean {
    return this.#all('readies').some((ready) => ready.session === session);
  }

  async say(...frames: Response[]): Promise<void> {
    for (const frame of frames) this.#session?.send(frame);
    await this.#time.runFor(20);
  }

  /** Waits for a session that is not `before`, and brings it to where it takes data. Returns its number. */
  async session(before = 0): Promise<number> {
    await this.#time.runUntil(() => this.hello !== undefined && this.hello.session !== before, 20_000);
    const session = this.hello?.session ?? 0;
    await this.say({ welcomes: [{ session, leaderEpoch: this.#epoch }] });
    await this.#time.runUntil(() => this.isReady(session));
    return session;
  }

  /** A piece as it must be, behind what the follower has. */
  piece(session: number, from: bigint, value = 'of the fake') {
    const batches = batchOf([value]);
    stampBatch(batches, 0, from, this.#epoch);
    const epoch = this.#epoch;
    return { session, leaderEpoch: epoch, from, previousEpoch: epoch, epochs: [], batches, highWatermark: 0n };
  }

  #all<K extends 'hellos' | 'readies' | 'acks' | 'nacks'>(kind: K): ReplicateRequest[K][number][] {
    return this.#frames.flatMap((frame) => frame[kind] as ReplicateRequest[K][number][]);
  }
}
