import type { Millis, Offset } from '@moldau/kernel';
import { offset } from '@moldau/kernel';
import type { SegmentIndex } from './segment-index.ts';

/** Digits of a file name: they sort as the offsets do. */
const nameDigits = 20;

export const offsetName = (value: Offset): string => value.toString().padStart(nameDigits, '0');

/** The offset in a name like `00000000000000000042.log`; undefined for another ending or form. */
export function offsetOfName(name: string, ending: string): Offset | undefined {
  if (!name.endsWith(ending) || name.length !== nameDigits + ending.length) return undefined;
  const digits = name.slice(0, nameDigits);
  return /^\d+$/.test(digits) ? offset(BigInt(digits)) : undefined;
}

/** One file of batches, and what is known of it. The last one of a log is appended to. */
export class Segment {
  readonly baseOffset: Offset;
  readonly path: string;
  /** Written in full; the kernel has it. */
  sizeBytes: number;
  /** Of that, what survives power loss. */
  syncedBytes: number;
  /** The offset behind the last batch. */
  nextOffset: Offset;
  /** Whether the file's name survives power loss. */
  nameSynced: boolean;
  /** When this process first wrote to it, or found it. */
  readonly sinceMs: Millis;
  /** Loaded when it is needed. */
  index: SegmentIndex | undefined;
  removed = false;

  constructor(
    directory: string,
    baseOffset: Offset,
    found: { sizeBytes: number; nextOffset: Offset; sinceMs: Millis },
  ) {
    this.baseOffset = baseOffset;
    this.path = `${directory}/${offsetName(baseOffset)}.log`;
    this.sizeBytes = found.sizeBytes;
    this.syncedBytes = found.sizeBytes;
    this.nextOffset = found.nextOffset;
    this.sinceMs = found.sinceMs;
    this.nameSynced = true;
  }

  get indexPath(): string {
    return `${this.path.slice(0, -'.log'.length)}.index`;
  }

  get isSynced(): boolean {
    return this.nameSynced && this.syncedBytes === this.sizeBytes;
  }
}
