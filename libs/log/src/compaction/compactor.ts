import { type Counter, FileError, type Logger, type Meter } from '@moldau/kernel';
import type { DirectoryContext } from '../directory-context.ts';
import type { PartitionLog } from '../partition-log.ts';
import { CompactionAbandoned, type CompactionTally, type TimeRange } from './compaction-run.ts';
import { Pace } from './pace.ts';

/** What compactions may take. */
export interface CompactionLimits {
  /** Read and written together. */
  readonly bytesPerSecondMax: number;
  /** For the keys of one pass. */
  readonly keyMemoryBytes: number;
}

export const defaultCompactionLimits: CompactionLimits = {
  bytesPerSecondMax: 32 * 1024 * 1024,
  keyMemoryBytes: 64 * 1024 * 1024,
};

/** Compacts the logs of a data directory, one at a time, in the background. */
export class Compactor {
  readonly #context: DirectoryContext;
  readonly #limits: CompactionLimits;
  readonly #logger: Logger;
  readonly #metrics: CompactionMetrics;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(context: DirectoryContext, meter: Meter, limits: CompactionLimits) {
    this.#context = context;
    this.#limits = limits;
    this.#logger = context.logger;
    this.#metrics = new CompactionMetrics(meter);
  }

  /** Looks through all logs, unless the last look is still going on. */
  look(logs: Iterable<PartitionLog>, now: () => TimeRange): void {
    this.#running ??= this.#compactAll([...logs], now).finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when nothing is going on any more. What was begun is given up; the log stays as it is. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Never rejects: what fails for one log is logged. */
  async #compactAll(logs: readonly PartitionLog[], now: () => TimeRange): Promise<void> {
    for (const log of logs) {
      if (this.#stopping.signal.aborted || this.#context.fs.failure !== undefined) return;
      if (log.isCompactionDue(now().earliestMs)) await this.#compact(log, now);
    }
  }

  async #compact(log: PartitionLog, now: () => TimeRange): Promise<void> {
    const { clock, timers } = this.#context;
    const { signal } = this.#stopping;
    const tally = { readBytes: 0, removedBytes: 0, unkeyedRecords: 0, unreadableBatches: 0 };
    const told = { ...tally };
    const progressed = (): void => {
      this.#metrics.did(tally, told);
      Object.assign(told, tally);
      this.#logger.debug('a compaction goes on', { ...facts, ...tally });
    };
    const pace = new Pace(clock, timers, this.#limits.bytesPerSecondMax, signal);
    const facts = { partition: log.key };
    const startMs = clock.monotonicMs();
    this.#logger.info('compacting a log', { ...facts, sizeBytes: log.sizeBytes });
    try {
      await log.compact({ pace, now, keyMemoryBytes: this.#limits.keyMemoryBytes, tally, progressed });
      const tookMs = Math.round(clock.monotonicMs() - startMs);
      this.#logger.info('compacted a log', { ...facts, ...tally, sizeBytes: log.sizeBytes, tookMs });
      this.#metrics.ended();
    } catch (error) {
      if (signal.aborted) return;
      // The log is as it was before. A bug here, which comes again with each look, is no reason to stop serving it.
      const isExpected = error instanceof CompactionAbandoned || error instanceof FileError;
      if (isExpected) this.#logger.warn('a compaction was given up', { ...facts, error: error.message });
      else this.#logger.error('a bug: a compaction failed unexpectedly', { ...facts, error });
    }
    if (tally.unkeyedRecords > 0) this.#logger.warn('dropped records without a key', { ...facts, ...tally });
  }
}

class CompactionMetrics {
  readonly #compactions: Counter;
  readonly #read: Counter;
  readonly #removed: Counter;
  readonly #unkeyed: Counter;
  readonly #unreadable: Counter;

  constructor(meter: Meter) {
    const counter = (what: string, help: string): Counter => meter.counter(`moldau_log_${what}_total`, help);
    this.#compactions = counter('compactions', 'Compactions of a log that came to their end');
    this.#read = counter('compaction_read_bytes', 'Bytes of segments that compaction has read to write them anew');
    this.#removed = counter('compaction_removed_bytes', 'Bytes by which compaction has made logs smaller');
    this.#unkeyed = counter(
      'compaction_unkeyed_records',
      'Records that compaction has dropped because they have no key',
    );
    this.#unreadable = counter(
      'compaction_unreadable_batches',
      'Batches that compaction has kept as they are because their records can not be decoded',
    );
  }

  ended(): void {
    this.#compactions.add();
  }

  /** Counts what has come since it was told the last time. */
  did(tally: CompactionTally, told: CompactionTally): void {
    this.#read.add(tally.readBytes - told.readBytes);
    this.#removed.add(Math.max(0, tally.removedBytes - told.removedBytes));
    this.#unkeyed.add(tally.unkeyedRecords - told.unkeyedRecords);
    this.#unreadable.add(tally.unreadableBatches - told.unreadableBatches);
  }
}
