import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type AppendSessionRequestSchema,
  type AppendSessionResponse,
  type FetchSessionRequestSchema,
  type FetchSessionResponse,
  LogService,
} from '@moldau/proto/moldau/log/v1/log_pb';
import { BatchBuilder, type Producer } from '@moldau/records';
import type { Channel, Session } from '@moldau/rpc';

/** One batch with these values. */
export function batchOf(values: readonly string[], producer?: Producer): Uint8Array {
  const builder = new BatchBuilder();
  for (const value of values) builder.add({ key: null, value: Buffer.from(value), timestampMs: Date.UTC(2030, 0, 1) });
  return builder.build('none', producer);
}

/** A session whose answers are collected. */
export class Collected<Out, In extends { frame: { case: string | undefined } }> {
  readonly frames: In['frame'][] = [];
  readonly #session: Session<Out, In>;
  error: unknown;

  constructor(session: Session<Out, In>) {
    this.#session = session;
    void this.#collect();
  }

  send(message: Out): void {
    this.#session.send(message);
  }

  end(): void {
    this.#session.end();
  }

  cancel(): void {
    this.#session.cancel();
  }

  get isOver(): boolean {
    return this.#session.signal.aborted;
  }

  /** Frames of one kind, in order. */
  of<K extends In['frame']['case']>(kind: K): Extract<In['frame'], { case: K }>[] {
    return this.frames.filter((frame): frame is Extract<In['frame'], { case: K }> => frame.case === kind);
  }

  async #collect(): Promise<void> {
    try {
      for await (const { frame } of this.#session.incoming) this.frames.push(frame);
    } catch (error) {
      this.error = error;
    }
  }
}

export type CollectedAppends = Collected<MessageInitShape<typeof AppendSessionRequestSchema>, AppendSessionResponse>;
export type CollectedFetches = Collected<MessageInitShape<typeof FetchSessionRequestSchema>, FetchSessionResponse>;

export const appendSession = (channel: Channel): CollectedAppends =>
  new Collected(channel.session(LogService.method.appendSession));

export const fetchSession = (channel: Channel): CollectedFetches =>
  new Collected(channel.session(LogService.method.fetchSession));
