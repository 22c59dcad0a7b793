import type { Offset } from '@moldau/kernel';
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

/**
 * The last appended batches of all partitions of a directory, by reference; the oldest go first. Readers never add to it. The
 * memory of what goes is freed at once: it would be half of what the heap is collected for.
 */
export class TailCache {
  readonly #limitBytes: number;
  /** In the order of their writing; the places before `#head` are empty. */
  #order: (Chunk | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  put(tail: PartitionTail, base: Offset, next: Offset, bytes: Uint8Array): void {
    if (bytes.length > this.#limitBytes) return tail.clear();
    const chunk = { base, next, bytes, tail, alive: true };
    this.#order.push(chunk);
    tail.chunks.push(chunk);
    this.#bytes += bytes.length;
    while (this.#bytes > this.#limitBytes) this.#evictOldest();
  }

  /** Forgets a chunk that its partition has dropped. */
  drop(chunk: Chunk): void {
    if (!chunk.alive) return;
    chunk.alive = false;
    this.#bytes -= chunk.bytes.length;
    freeMemory(chunk.bytes);
    // Its place in the order stays until its turn comes; the bytes need not.
    chunk.bytes = noBytes;
  }

  #evictOldest(): void {
    const chunk = this.#order[this.#head];
    if (chunk === undefined) return;
    this.#order[this.#head] = undefined;
    this.#head += 1;
    if (this.#head > 1024 && this.#head * 2 > this.#order.length) {
      this.#order = this.#order.slice(this.#head);
      this.#head = 0;
    }
    if (!chunk.alive) return;
    this.drop(chunk);
    // The oldest chunk of all is the oldest of its partition.
    chunk.tail.chunks.shift();
  }
}

/** The part of the cache that belongs to one partition: contiguous up to what is written. */
export class PartitionTail {
  readonly #cache: TailCache;
  readonly chunks: Chunk[] = [];

  constructor(cache: TailCache) {
    this.#cache = cache;
  }

  put(base: Offset, next: Offset, bytes: Uint8Array): void {
    this.#cache.put(this, base, next, bytes);
  }

  clear(): void {
    for (const chunk of this.chunks.splice(0)) this.#cache.drop(chunk);
  }

  /** Forgets what lies at or above `to`. A chunk that it divides goes as a whole, and so does what lies below it. */
  cut(to: Offset): void {
    const last = this.chunks.at(-1);
    if (last === undefined || last.next <= to) return;
    const keep = this.chunks.findIndex((chunk) => chunk.next > to);
    const divided = (this.chunks[keep]?.base ?? to) < to;
    if (divided) return this.clear();
    for (const chunk of this.chunks.splice(keep)) this.#cache.drop(chunk);
  }

  /** Whole batches from the one that holds `from`: views that may be empty after the next wait. Undefined: not in the cache. */
  read(from: Offset, limits: ReadLimits): LogSlice | undefined {
    const first = this.#find(from);
    if (first < 0) return undefined;
    const chunks: Uint8Array[] = [];
    let nextOffset = from;
    let sizeBytes = 0;
    for (let i = first; i < this.chunks.length; i += 1) {
      const chunk = this.chunks[i];
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
      const chunk = this.chunks[middle];
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
