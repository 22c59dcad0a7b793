import { Fifo, type Offset } from '@moldau/kernel';
import { BatchHeader } from '@moldau/records';
import type { LogSlice, ReadLimits } from './log-slice.ts';
import { freeMemory } from './own-memory.ts';

/** What one append wrote: whole batches. */
interface Chunk {
  readonly base: Offset;
  readonly next: Offset;
  bytes: Uint8Array;
  readonly tail: PartitionTail;
  alive: boolean;
}

const noBytes = new Uint8Array(0);
/** What a chunk takes beside its bytes: the objects around them. Batches of a few records are smaller than that. */
const chunkCostBytes = 512;

/**
 * The last appended batches of all partitions of a directory, by reference; the oldest go first. Readers never add to it. The
 * memory of what goes is freed at once: it would be half of what the heap is collected for.
 */
export class TailCache {
  readonly #limitBytes: number;
  /** In the order of their writing, with those that their partitions have dropped. */
  readonly #order = new Fifo<Chunk>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** With what the chunks take themselves. */
  get bytes(): number {
    return this.#bytes;
  }

  put(tail: PartitionTail, base: Offset, next: Offset, bytes: Uint8Array): void {
    if (costOf(bytes) > this.#limitBytes) return tail.clear();
    const chunk = { base, next, bytes, tail, alive: true };
    this.#order.push(chunk);
    tail.chunks.push(chunk);
    this.#bytes += costOf(bytes);
    while (this.#bytes > this.#limitBytes) this.#evictOldest();
  }

  /** Forgets chunks that their partition has dropped. */
  drop(chunks: readonly Chunk[]): void {
    for (const chunk of chunks) this.#free(chunk);
    // Their places in the order stay until they come to its head.
    while (this.#order.at(0)?.alive === false) this.#order.shift();
  }

  #evictOldest(): void {
    const chunk = this.#order.shift();
    if (chunk === undefined || !chunk.alive) return;
    this.#free(chunk);
    // The oldest chunk of all is the oldest of its partition.
    chunk.tail.chunks.shift();
  }

  #free(chunk: Chunk): void {
    chunk.alive = false;
    this.#bytes -= costOf(chunk.bytes);
    freeMemory(chunk.bytes);
    chunk.bytes = noBytes;
  }
}

const costOf = (bytes: Uint8Array): number => bytes.length + chunkCostBytes;

/** The part of the cache that belongs to one partition: contiguous up to what is written. */
export class PartitionTail {
  readonly #cache: TailCache;
  readonly chunks = new Fifo<Chunk>();

  constructor(cache: TailCache) {
    this.#cache = cache;
  }

  put(base: Offset, next: Offset, bytes: Uint8Array): void {
    this.#cache.put(this, base, next, bytes);
  }

  clear(): void {
    this.#cache.drop(this.chunks.cut(0));
  }

  /** Forgets what lies at or above `to`. A chunk that it divides goes as a whole, and so does what lies below it. */
  cut(to: Offset): void {
    let keep = this.chunks.length;
    while (keep > 0 && (this.chunks.at(keep - 1)?.next ?? to) > to) keep -= 1;
    const divided = (this.chunks.at(keep)?.base ?? to) < to;
    if (divided) return this.clear();
    this.#cache.drop(this.chunks.cut(keep));
  }

  /** Whole batches from the one that holds `from`: views that may be empty after the next wait. Undefined: not in the cache. */
  read(from: Offset, limits: ReadLimits): LogSlice | undefined {
    const first = this.#find(from);
    if (first < 0) return undefined;
    const chunks: Uint8Array[] = [];
    let nextOffset = from;
    let sizeBytes = 0;
    for (let i = first; i < this.chunks.length; i += 1) {
      const chunk = this.chunks.at(i);
      if (chunk === undefined || chunk.base >= limits.below) break;
      const whole =
        chunk.base >= from && chunk.next <= limits.below && sizeBytes + chunk.bytes.length <= limits.maxBytes;
      const part = whole ? { bytes: chunk.bytes, next: chunk.next } : cutChunk(chunk, from, limits, sizeBytes);
      if (part.bytes.length > 0) chunks.push(part.bytes);
      sizeBytes += part.bytes.length;
      nextOffset = part.next;
      if (part.next < chunk.next || sizeBytes >= limits.maxBytes) break;
    }
    return { chunks, nextOffset, sizeBytes };
  }

  #find(from: Offset): number {
    let low = 0;
    let high = this.chunks.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const chunk = this.chunks.at(middle);
      if (chunk === undefined) return -1;
      if (from < chunk.base) high = middle - 1;
      else if (from >= chunk.next) low = middle + 1;
      else return middle;
    }
    return -1;
  }
}

/** The batches of a chunk that hold `from` or more, as far as the limits go; the first batch of all may exceed maxBytes. */
function cutChunk(
  chunk: Chunk,
  from: Offset,
  limits: ReadLimits,
  takenBytes: number,
): { bytes: Uint8Array; next: Offset } {
  let start = 0;
  let end = 0;
  let next = chunk.base > from ? chunk.base : from;
  while (end < chunk.bytes.length) {
    const header = new BatchHeader(chunk.bytes, end);
    const size = header.sizeBytes;
    const batchNext = header.nextOffset as Offset;
    if (batchNext <= from) {
      start = end + size;
    } else {
      const first = takenBytes === 0 && end === start;
      if (batchNext > limits.below) break;
      if (!first && takenBytes + end + size - start > limits.maxBytes) break;
      next = batchNext;
    }
    end += size;
  }
  return { bytes: chunk.bytes.subarray(start, end), next };
}
