import type { Millis } from '@moldau/kernel';

/** A record as the log has it. */
export interface EncodedRecord {
  /** At least one byte. */
  readonly key: Uint8Array;
  /** `null`: the key is gone. */
  readonly value: Uint8Array | null;
}

/** One moment on both clocks. */
export interface Instant {
  readonly monotonicMs: Millis;
  readonly wallMs: Millis;
}

/** What a request led to. The state has changed already, and is never changed back. */
export interface ShardStep<Reply, Frame> {
  /** Go to the log together, or not at all. */
  readonly records: readonly EncodedRecord[];
  /** To whoever asked. */
  readonly reply: Reply;
  /** To whomever it concerns. */
  readonly frames: readonly Frame[];
  /** What reply and frames hold in memory until they leave, roughly. */
  readonly parkedBytes: number;
}

/** The rules of a shard, on top of what its log says. Synchronous, and without I/O. */
export interface ShardMachine<Request, Reply, Frame> {
  step(request: Request, now: Instant): ShardStep<Reply, Frame>;
  /** When a tick is due, in monotonic time. `undefined`: no time. */
  readonly nextDeadlineMs: Millis | undefined;
}

/** A log on its way to a machine. */
export interface ShardReplay<Request, Reply, Frame> {
  /** Takes the next record of the log. The bytes are the caller's again when this returns. Throws on one that it can't read. */
  apply(record: EncodedRecord): void;
  /** All records were there. */
  finish(now: Instant): ShardMachine<Request, Reply, Frame>;
}

/** What is kept in the shards of one topic. */
export interface ShardKind<Request, Reply, Frame> {
  replay(): ShardReplay<Request, Reply, Frame>;
  /** Says that time has passed. It is stepped when the machine has a deadline. */
  readonly tick: Request;
}
