import type { LogConfig } from '@moldau/log';
import { readTopicConfig } from '@moldau/metadata';

const limited = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined);

/** A topic's settings in force, as the storage engine takes them. */
export function logConfigOf(settings: Readonly<Record<string, string>>): LogConfig {
  const config = readTopicConfig(settings);
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
