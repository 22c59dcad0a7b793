import type { Offset } from '@moldau/kernel';
import type { EncodedRecord } from './shard-kind.ts';

/**
 * The log of one shard, for one owner under one shard epoch. Its methods try until it is decided, however long that takes; what
 * they reject with is final. `close` makes whatever waits reject with NOT_SERVING.
 */
export interface ShardLog {
  /**
   * Fences off whoever had the shard before. Resolves when that is committed: with the end of what others have written, which
   * is also the end of what anybody with a lower epoch ever will. Throws FENCED_TOKEN when a newer owner has come.
   */
  open(): Promise<Offset>;
  /** Hands over every record below `end`, in order. After `open`. */
  read(end: Offset, take: (record: EncodedRecord) => void): Promise<void>;
  /**
   * Appends the records as one batch; resolves when it is committed, and it is there once. An attempt whose outcome is
   * unknown is repeated. One call at a time. Throws with outcome NOT_WRITTEN what will never be there, FENCED_TOKEN among
   * others; with outcome UNKNOWN what may.
   */
  append(records: readonly EncodedRecord[]): Promise<void>;
  /** What is on its way may still be written. */
  close(): void;
}
