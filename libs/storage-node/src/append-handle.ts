import type { MessageInitShape } from '@bufbuild/protobuf';
import { MoldauError } from '@moldau/kernel';
import type { AppendAckSchema } from '@moldau/proto/moldau/log/v1/log_pb';
import type { Appended } from './parked-appends.ts';
import type { Partition } from './partition.ts';

export type Ack = MessageInitShape<typeof AppendAckSchema>;

/** One entry that the client waits for. Answered once `ack` is known and nothing on its handle is before it. */
export interface Pending {
  readonly sequence: bigint;
  readonly expiresAt: number;
  readonly timeoutMs: number;
  ack: Ack | undefined;
}

/** An open partition of the session. */
export interface Handle {
  readonly number: number;
  readonly partition: Partition;
  readonly believedEpoch: number | undefined;
  /** Of the writer that opened it. */
  readonly fencingToken?: bigint;
  /** In the order of the entries. */
  readonly pending: Pending[];
  /** What follows is refused: an entry has failed, or the client has closed the handle. */
  ended: boolean;
  /** The client has closed it; it goes when its last entry is answered. */
  closing: boolean;
}

/** A handle that takes nothing more, and what is said of it. */
export interface ClosedHandle {
  readonly number: number;
  readonly error: MoldauError;
  readonly told: NonNullable<Ack['error']>;
}

export const succeeded = ({ sequence }: Pending, { baseOffset, lastOffset, logEnd, timestampMs }: Appended): Ack => ({
  sequence,
  logEnd,
  ...(baseOffset !== undefined && { baseOffset }),
  ...(lastOffset !== undefined && { lastOffset }),
  ...(timestampMs !== undefined && { timestampMs: BigInt(timestampMs) }),
});

export const handleClosed = (handle: number): MoldauError =>
  new MoldauError('HANDLE_CLOSED', `handle ${handle} is closed, because an entry on it failed: open a new one`, {
    handle,
  });
