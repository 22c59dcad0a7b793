import type { Offset } from '@moldau/kernel';

/** How far a read goes. */
export interface ReadLimits {
  /** Stops before it would exceed this; one whole batch is always given. */
  readonly maxBytes: number;
  /** Gives only batches that end at or below this offset. */
  readonly below: Offset;
}

/** A part of a log: whole batches, in order. The first may begin below the offset that was asked for. */
export interface LogSlice {
  readonly chunks: readonly Uint8Array[];
  /** Where the next read begins. */
  readonly nextOffset: Offset;
  readonly sizeBytes: number;
}
