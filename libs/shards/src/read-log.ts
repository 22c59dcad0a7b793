import { type Millis, MoldauError, type Offset, type Timers } from '@moldau/kernel';
import { LogService, ReadFormat } from '@moldau/proto/moldau/log/v1/log_pb';
import { BatchHeader, defaultMaxUnfoldedBytes, iterateRecords } from '@moldau/records';
import type { Channel } from '@moldau/rpc';
import type { EncodedRecord } from './shard-kind.ts';

/** What is to be read. */
export interface ReadTarget {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly end: Offset;
}

/** A leader that has sent nothing for so long is asleep, or gone. */
const silentAfterMs: Millis = 6_000;

/** A log that is read to an end, from one leader after the other where the first does not get there. */
export class LogReader {
  readonly #take: (record: EncodedRecord) => void;
  /** `undefined`: nothing has come. */
  #next: bigint | undefined;

  constructor(take: (record: EncodedRecord) => void) {
    this.#take = take;
  }

  /** Goes on from where it is; resolves when everything below the end is read. */
  async readFrom(
    channel: Channel,
    { topic, topicId, partition, end }: ReadTarget,
    timers: Timers,
    signal: AbortSignal,
  ): Promise<void> {
    const silence = new AbortController();
    const giveUp = (): void => silence.abort(silent(channel.address));
    let cancel = timers.after(silentAfterMs, giveUp);
    try {
      const request = {
        topic,
        topicId,
        partition,
        format: ReadFormat.BATCHES,
        from: this.#next === undefined ? earliest : at(this.#next),
        until: at(end),
      };
      const options = { signal: AbortSignal.any([signal, silence.signal]) };
      for await (const { batches, nextOffset } of channel.serverStream(LogService.method.read, request, options)) {
        cancel();
        this.#takeAll(batches, end);
        this.#next = nextOffset;
        cancel = timers.after(silentAfterMs, giveUp);
      }
    } finally {
      cancel();
    }
  }

  #takeAll(bytes: Uint8Array, end: Offset): void {
    const from = this.#next ?? 0n;
    for (let start = 0; start < bytes.length; ) {
      const header = new BatchHeader(bytes, start);
      const batch = bytes.subarray(start, start + header.sizeBytes);
      start += header.sizeBytes;
      if (header.isControl) continue;
      for (const { offset, key, value } of iterateRecords(batch, defaultMaxUnfoldedBytes)) {
        if (offset < from || offset >= end) continue;
        // Those without a key only asked for a commit.
        if (key !== null && key.length > 0) this.#take({ key, value });
      }
    }
  }
}

const earliest = { at: { case: 'earliest', value: {} } } as const;
const at = (value: bigint) => ({ at: { case: 'offset', value } }) as const;

const silent = (address: string): MoldauError =>
  new MoldauError('UNREACHABLE', `${address} has sent nothing for ${silentAfterMs} ms`, { address });
