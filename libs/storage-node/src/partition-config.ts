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
  return {
    segmentBytes: config['segment.bytes'],
    segmentAgeMs: config['segment.age'],
    retentionMs: limited(config.retention),
    retentionBytes: limited(config['retention.bytes']),
    flush: config.flush,
    flushIntervalMs: config['flush.interval'],
    maxBatchBytes: config['max.batch.bytes'],
    timestampType: config['timestamp.type'],
    timestampAheadMaxMs: config['timestamp.ahead.max'],
    producerExpiryMs: config['producer.expiry'],
  };
}
