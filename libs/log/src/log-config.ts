import type { Millis } from '@moldau/kernel';

/** How one partition is kept: the settings of its topic. */
export interface LogConfig {
  /** A segment ends before it would grow beyond this. */
  readonly segmentBytes: number;
  /** A segment takes no more batches after this time. */
  readonly segmentAgeMs: Millis;
  /** Segments whose newest record is older go. Absent: never. */
  readonly retentionMs?: Millis | undefined;
  /** The oldest segments go while the others hold at least this much. Absent: never. */
  readonly retentionBytes?: number | undefined;
  /** Of each key only the newest record is kept. Absent: all of them. */
  readonly compaction?: CompactionConfig | undefined;
  /** What makes a write durable: its own fdatasync, or the page cache (with a sync at intervals). */
  readonly flush: 'fsync' | 'interval';
  readonly flushIntervalMs: Millis;
  /** The largest batch that is accepted from a client. */
  readonly maxBatchBytes: number;
  /** Whose time the records carry: the client's, or the leader's at the append. */
  readonly timestampType: 'create' | 'append';
  /** How far a client's timestamps may lie ahead of the leader's clock. */
  readonly timestampAheadMaxMs: Millis;
  /** A producer that was silent for so long is forgotten. */
  readonly producerExpiryMs: Millis;
}

/** How a log is compacted. */
export interface CompactionConfig {
  /** So long a tombstone is kept once the older records of its key are gone. */
  readonly deleteRetentionMs: Millis;
}

const mib = 1024 * 1024;
const hourMs = 3_600_000;

/** What a topic gets that says nothing. */
export const defaultLogConfig: LogConfig = {
  segmentBytes: 1024 * mib,
  segmentAgeMs: 168 * hourMs,
  retentionMs: 168 * hourMs,
  flush: 'fsync',
  flushIntervalMs: 1_000,
  maxBatchBytes: mib,
  timestampType: 'create',
  timestampAheadMaxMs: hourMs,
  producerExpiryMs: 24 * hourMs,
};

/** No stored batch is larger, whatever a topic allows: what a length in a damaged file may make us read. */
export const storedBatchBytesMax = 64 * mib;
