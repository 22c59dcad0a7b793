import { ErrorReason } from '@moldau/proto/moldau/errors/v1/errors_pb';
import type { AppendAck, OpenPartition } from '@moldau/proto/moldau/log/v1/log_pb';
import type { AppendUpstream } from './append-upstream.ts';

/** One entry that a client waits for. Answered once `ack` is known and nothing on its handle is before it. */
export interface Pending {
  readonly sequence: bigint;
  ack: AppendAck | undefined;
}

/**
 * An open partition of a client's session, on the session with the node that leads it. It keeps its number there: each of
 * those sessions belongs to one client.
 */
export class AppendHandle {
  readonly number: number;
  readonly topicId: string;
  readonly partition: number;
  readonly upstream: AppendUpstream;
  readonly #pending: Pending[] = [];
  /** What follows is refused: an entry has failed, or the handle is closed. */
  hasEnded = false;
  /** It goes when its last entry is answered. */
  isClosing = false;

  constructor({ handle, topicId, partition }: OpenPartition, upstream: AppendUpstream) {
    this.number = handle;
    this.topicId = topicId;
    this.partition = partition;
    this.upstream = upstream;
  }

  /** It is closed, and everything on it is answered. */
  get isDone(): boolean {
    return this.isClosing && this.#pending.length === 0;
  }

  /** Takes nothing any more. */
  close(): void {
    this.hasEnded = true;
    this.isClosing = true;
  }

  add(sequence: bigint): Pending {
    const pending = { sequence, ack: undefined };
    this.#pending.push(pending);
    return pending;
  }

  /** Settles one entry; returns what can be answered now: never an entry before the one ahead of it. */
  settle(pending: Pending, ack: AppendAck): AppendAck[] {
    pending.ack = ack;
    // As on the node: a duplicate whose offset is forgotten is written, anything else leaves a hole.
    if (ack.error !== undefined && ack.error.reason !== ErrorReason.DUPLICATE_SEQUENCE) this.hasEnded = true;
    const answers: AppendAck[] = [];
    for (let head = this.#pending[0]; head?.ack !== undefined; head = this.#pending[0]) {
      answers.push(head.ack);
      this.#pending.shift();
    }
    return answers;
  }
}
