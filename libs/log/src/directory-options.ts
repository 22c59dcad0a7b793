import type { Millis, NodeId } from '@moldau/kernel';
import type { CompactionLimits } from './compaction/compactor.ts';

/** How a data directory is opened. */
export interface DirectoryOptions {
  readonly path: string;
  readonly nodeId: NodeId;
  /** Absent: what node.json says, or a new directory that belongs to nobody yet. */
  readonly clusterId?: string | undefined;
  /** Names the boot of the machine: a kill within one boot has kept the page cache, a power loss has not. */
  readonly bootId: string;
  readonly tailCacheBytes: number;
  /** Open files, half of them for writing; default 1 000. Files with unsynced writes stay open beyond that. */
  readonly maxOpenFiles?: number | undefined;
  /** Reads from disk at once; default 8. */
  readonly coldReads?: number | undefined;
  /** The disk counts as full below this. Absent: 5 % of it, at most 2 GiB. */
  readonly minFreeBytes?: number | undefined;
  /** How often segments that have aged are looked for, and logs that are to be compacted; default 5 minutes. */
  readonly retentionEveryMs?: Millis | undefined;
  /** What compaction may take of the disk and of memory; default {@link defaultCompactionLimits}. */
  readonly compaction?: CompactionLimits | undefined;
  /** The coordinator's time, where it is known: nothing goes before its time has come by that and by the own clock. */
  readonly coordinatorMs?: (() => Millis | undefined) | undefined;
}
