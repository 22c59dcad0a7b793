import { assert, type Offset, offset } from '@moldau/kernel';
import { BatchHeader, fencingTokenOf, noProducer } from '@moldau/records';
import type { LogSlice } from '../../src/index.ts';

/** One batch that was appended, as it must be read back. */
export interface ModelBatch {
  readonly base: Offset;
  readonly next: Offset;
  readonly bytes: Uint8Array;
}

/** What a log must hold: everything acknowledged, and beyond that at most what was appended, without gaps. */
export class LogModel {
  batches: ModelBatch[] = [];
  /** Everything below was acknowledged as durable, and not truncated since. */
  acknowledged = offset(0);
  /** The log may start anywhere between these two, while a trim has not been answered. */
  startMin = offset(0);
  startMax = offset(0);

  get end(): Offset {
    return this.batches.at(-1)?.next ?? this.startMax;
  }

  /** Takes in what an append has stamped. */
  append(entry: Uint8Array): void {
    for (let at = 0; at < entry.length; ) {
      const header = new BatchHeader(entry, at);
      assert(header.baseOffset === this.end, `offset ${header.baseOffset} was handed out where ${this.end} was next`);
      this.batches.push({
        base: offset(header.baseOffset),
        next: offset(header.nextOffset),
        bytes: entry.slice(at, at + header.sizeBytes),
      });
      at += header.sizeBytes;
    }
  }

  acknowledge(end: Offset): void {
    assert(end <= this.end, `${end} was called durable, and only ${this.end} was appended`);
    if (end > this.acknowledged) this.acknowledged = end;
  }

  /** Nothing at or above `to` is there any more, or counts. */
  cut(to: Offset): void {
    this.batches = this.batches.filter((batch) => batch.next <= to);
    if (to < this.acknowledged) this.acknowledged = to;
  }

  /** Takes in where a log ends that was recovered; throws when it has lost what was acknowledged. */
  recovered(start: Offset, end: Offset): void {
    assert(end >= this.acknowledged, `the log ends at ${end}, and ${this.acknowledged} was acknowledged`);
    assert(
      start >= this.startMin && start <= this.startMax,
      `the log starts at ${start}, not within ${this.startMin}…${this.startMax}`,
    );
    assert(end <= this.end, `the log ends at ${end}, and only ${this.end} was appended`);
    assert(end === start || this.batches.some((batch) => batch.next === end), `the log ends inside a batch, at ${end}`);
    this.cut(end);
    this.acknowledged = end;
    this.startMin = start;
    this.startMax = start;
  }

  /** Throws unless a slice read from `from` is exactly what was appended there. */
  check(from: Offset, slice: LogSlice): void {
    let at = this.batches.findIndex((batch) => batch.next > from);
    let next = from;
    for (const chunk of slice.chunks) {
      for (let position = 0; position < chunk.length; ) {
        const expected = this.batches[at];
        assert(expected !== undefined, `read beyond ${this.end}`);
        const got = chunk.subarray(position, position + expected.bytes.length);
        assert(
          Buffer.compare(got, expected.bytes) === 0,
          `the batch at ${expected.base} is not the one that was appended`,
        );
        position += expected.bytes.length;
        next = expected.next;
        at += 1;
      }
    }
    assert(slice.nextOffset === next, `the slice says that it ends at ${slice.nextOffset}, and ends at ${next}`);
  }

  /** The fencing token that the last control record raised, whether that is still there or was trimmed. */
  get token(): bigint | undefined {
    return this.batches.reduce<bigint | undefined>((last, { bytes }) => fencingTokenOf(bytes, 0) ?? last, undefined);
  }

  /** The last batches of a producer, newest last. */
  ofProducer(id: bigint): ModelBatch[] {
    return this.batches.filter(({ bytes }) => {
      const { producerId } = new BatchHeader(bytes);
      return producerId !== noProducer && producerId === id;
    });
  }
}
