import type { Millis, Offset } from '@moldau/kernel';

/** How an append is to be taken. */
export interface AppendOptions {
  /** Append only if the log ends here. */
  readonly expectedOffset?: Offset | undefined;
  /** The writer's fencing token: one above the partition's raises that first. Absent: it has none, which is lower than any. */
  readonly fencingToken?: bigint | undefined;
  /** Called behind the duplicate check and before anything is taken: throws to refuse. */
  readonly admit?: (() => void) | undefined;
}

/** What became of an append. Neither kind says that it is durable. */
export type AppendResult =
  | {
      readonly kind: 'appended';
      readonly baseOffset: Offset;
      readonly lastOffset: Offset;
      readonly nextOffset: Offset;
      /** The partition's fencing token was raised by it: right before its batches stands a control record. */
      readonly raised: boolean;
      /** The log-append time, where the topic asks for it. */
      readonly timestampMs?: Millis;
    }
  | {
      /** The producer wrote it before. The offsets are absent when they are no longer known. */
      readonly kind: 'duplicate';
      readonly baseOffset?: Offset;
      readonly lastOffset?: Offset;
      /** May be answered once the high watermark has reached this. */
      readonly commitsAt: Offset;
    };
