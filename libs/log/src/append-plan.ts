import type { Millis, Offset } from '@moldau/kernel';
import type { LogConfig } from './log-config.ts';
import { offsetSpanMax } from './segment-index.ts';

const snapshotEveryBytes = 64 * 1024 * 1024;

/** What is to happen before an entry is written. */
export type Preparation = 'none' | 'snapshot' | 'roll';

/**
 * Decides at the append, not at the write, where a segment ends and where producers are snapshotted: only then is their
 * state known as of exactly that offset.
 */
export class AppendPlan {
  #base: Offset;
  #bytes: number;
  #sinceMs: Millis;
  #unsnapshotBytes = 0;
  #rollAsked = false;

  constructor(base: Offset, bytes: number, sinceMs: Millis) {
    this.#base = base;
    this.#bytes = bytes;
    this.#sinceMs = sinceMs;
  }

  /** The next entry begins a new segment. */
  askRoll(): void {
    this.#rollAsked = true;
  }

  /** Takes in an entry, and says what must come before it. */
  next(base: Offset, next: Offset, sizeBytes: number, config: LogConfig, nowMs: Millis): Preparation {
    if (this.#mustRoll(next, sizeBytes, config, nowMs)) {
      this.#base = base;
      this.#bytes = sizeBytes;
      this.#sinceMs = nowMs;
      this.#unsnapshotBytes = sizeBytes;
      this.#rollAsked = false;
      return 'roll';
    }
    this.#bytes += sizeBytes;
    this.#unsnapshotBytes += sizeBytes;
    if (this.#unsnapshotBytes < snapshotEveryBytes) return 'none';
    this.#unsnapshotBytes = sizeBytes;
    return 'snapshot';
  }

  #mustRoll(next: Offset, sizeBytes: number, config: LogConfig, nowMs: Millis): boolean {
    if (this.#rollAsked) return true;
    if (this.#bytes === 0) return false;
    if (this.#bytes + sizeBytes > config.segmentBytes) return true;
    return nowMs - this.#sinceMs >= config.segmentAgeMs || next - this.#base > offsetSpanMax;
  }
}
