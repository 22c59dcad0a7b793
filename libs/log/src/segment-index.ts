import type { Millis, Offset } from '@moldau/kernel';
import { ByteWriter, seal, unseal } from './binary.ts';

// <base>.index, version 1, kind MLIX, sealed:
//
//   baseOffset i64 · coveredBytes u32 · coveredOffset i64 · maxTimestamp f64 · entries u32 ·
//   entries × { offset - baseOffset u32 · position u32 · maxTimestamp of everything before that position f64 }
//
// One file serves offsets and times: the third column only grows, so both are found by halving.
// It covers the segment up to coveredBytes; what lies behind is walked. A missing or bad one is rebuilt.

const kind = 'MLIX';
const version = 1;
const everyBytes = 4096;
/** The largest distance between a segment's first offset and any in it. */
export const offsetSpanMax = 0x7fff_ffffn;

/** Where in a segment to begin looking. */
export interface Place {
  readonly offset: Offset;
  readonly position: number;
}

/** Sparse map of one segment: offset → position, and time → position. */
export class SegmentIndex {
  readonly baseOffset: Offset;
  coveredBytes = 0;
  coveredOffset: Offset;
  maxTimestamp: Millis = Number.NEGATIVE_INFINITY;
  #count = 0;
  #deltas = new Uint32Array(8);
  #positions = new Uint32Array(8);
  #timestamps = new Float64Array(8);

  constructor(baseOffset: Offset) {
    this.baseOffset = baseOffset;
    this.coveredOffset = baseOffset;
  }

  get memoryBytes(): number {
    return this.#deltas.length * 16;
  }

  /** Takes in the batch that follows what is covered. */
  add(baseOffset: bigint, nextOffset: bigint, sizeBytes: number, maxTimestamp: Millis): void {
    const last = this.#count === 0 ? 0 : (this.#positions[this.#count - 1] ?? 0);
    if (this.coveredBytes - last >= everyBytes) this.#push(Number(baseOffset - this.baseOffset));
    this.coveredBytes += sizeBytes;
    this.coveredOffset = nextOffset as Offset;
    if (maxTimestamp > this.maxTimestamp) this.maxTimestamp = maxTimestamp;
  }

  /** The last known batch start at or below `offset`. */
  placeOf(offset: Offset): Place {
    const delta = Number(offset - this.baseOffset);
    return this.#place(this.#lastWhere((i) => (this.#deltas[i] ?? 0) <= delta));
  }

  /** A batch start before which every record is older than `timestamp`. */
  placeOfTime(timestamp: Millis): Place {
    return this.#place(this.#lastWhere((i) => (this.#timestamps[i] ?? 0) < timestamp));
  }

  encode(): Uint8Array {
    const writer = new ByteWriter(32 + this.#count * 16);
    writer.i64(this.baseOffset).u32(this.coveredBytes).i64(this.coveredOffset).f64(this.maxTimestamp).u32(this.#count);
    for (let i = 0; i < this.#count; i += 1) {
      writer
        .u32(this.#deltas[i] ?? 0)
        .u32(this.#positions[i] ?? 0)
        .f64(this.#timestamps[i] ?? 0);
    }
    return seal(kind, version, writer.finish());
  }

  /** The index in a file's bytes, or undefined when they are not the whole index of a segment of that base and size. */
  static decode(bytes: Uint8Array, baseOffset: Offset, segmentBytes: number): SegmentIndex | undefined {
    const unsealed = unseal(kind, version, bytes);
    if (unsealed.kind !== 'ok') return undefined;
    const { payload } = unsealed;
    if (payload.i64() !== baseOffset) return undefined;
    const index = new SegmentIndex(baseOffset);
    index.coveredBytes = payload.u32();
    index.coveredOffset = payload.i64() as Offset;
    index.maxTimestamp = payload.f64();
    if (index.coveredBytes > segmentBytes) return undefined;
    const count = payload.u32();
    index.#grow(count);
    for (let i = 0; i < count; i += 1) {
      index.#deltas[i] = payload.u32();
      index.#positions[i] = payload.u32();
      index.#timestamps[i] = payload.f64();
    }
    index.#count = count;
    return index;
  }

  #place(i: number): Place {
    if (i < 0) return { offset: this.baseOffset, position: 0 };
    return { offset: (this.baseOffset + BigInt(this.#deltas[i] ?? 0)) as Offset, position: this.#positions[i] ?? 0 };
  }

  /** The last entry for which `holds`, which is true up to some entry and false behind it; -1 for none. */
  #lastWhere(holds: (i: number) => boolean): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(middle)) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #push(delta: number): void {
    if (this.#count === this.#deltas.length) this.#grow(this.#count * 2);
    this.#deltas[this.#count] = delta;
    this.#positions[this.#count] = this.coveredBytes;
    this.#timestamps[this.#count] = this.maxTimestamp;
    this.#count += 1;
  }

  #grow(capacity: number): void {
    const grown = <A extends Uint32Array | Float64Array>(old: A, fresh: A): A => {
      fresh.set(old.subarray(0, this.#count));
      return fresh;
    };
    this.#deltas = grown(this.#deltas, new Uint32Array(capacity));
    this.#positions = grown(this.#positions, new Uint32Array(capacity));
    this.#timestamps = grown(this.#timestamps, new Float64Array(capacity));
  }
}
