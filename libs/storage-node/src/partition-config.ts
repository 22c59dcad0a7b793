import type { Millis } from '@moldau/kernel';
import type { LogConfig } from '@moldau/log';
import { readTopicConfig } from '@moldau/metadata';

const limited = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined);

/** A topic's settings in force, as a partition takes them. */
export function partitionConfigOf(settings: Readonly<Record<string, string>>): {
  readonly log: LogConfig;
  readonly lagMaxMs: Millis;
} {
  const config = readTopicConfig(settings);
  return { log: logConfigOf(config), lagMaxMs: config['replica.lag.max'] };
}

/** As the storage engine takes them. */
function logConfigOf(config: ReturnType<typeof readTopicConfig>): LogConfig {
  const deletes = config.cleanup !== 'compact';
  const compacts = config.cleanup !== 'delete';
  return {
    segmentBytes: config['segment.bytes'],
    segmentAgeMs: config['segment.age'],
    retentionMs: deletes ? limited(config.retention) : undefined,
    retentionBytes: deletes ? limited(config['retention.bytes']) : undefined,
    compaction: compacts ? { deleteRetentionMs: config['delete.retention'] } : undefined,
    flush: config.flush,
    flushIntervalMs: config['flush.interval'],
    maxBatchBytes: config['max.batch.bytes'],
    timestampType: config['timestamp.type'],
    timestampAheadMaxMs: config['timestamp.ahead.max'],
    producerExpiryMs: config['producer.expiry'],
  };
}
