import { faults, type Millis, MoldauError } from '@moldau/kernel';
import { type BatchHeader, crcMatches, noProducer, scanBatch } from '@moldau/records';
import type { LogConfig } from './log-config.ts';

/** One batch of an append, checked. */
export interface CheckedBatch {
  readonly header: BatchHeader;
  readonly at: number;
  readonly sizeBytes: number;
}

/** Codes of Kafka's batch attributes: none, gzip, snappy, lz4, zstd. */
const compressionCodeMax = 4;

/**
 * What must hold of every batch that a client hands in, whatever the topic's settings. Nothing inside a record is looked
 * at. Throws CORRUPT_BATCH before anything is appended.
 */
export function checkBatches(bytes: Uint8Array): CheckedBatch[] {
  if (bytes.length === 0) throw faults.corruptBatch('there is none');
  const batches: CheckedBatch[] = [];
  for (let at = 0; at < bytes.length; ) {
    const scanned = scanBatch(bytes, at, bytes.length);
    if (scanned.kind === 'incomplete') throw faults.corruptBatch('the bytes end inside it');
    if (scanned.kind === 'bad') throw faults.corruptBatch(scanned.problem);
    const { header, sizeBytes } = scanned;
    const problem = headerProblem(header) ?? producerProblem(header);
    if (problem !== undefined) throw faults.corruptBatch(problem);
    if (!crcMatches(bytes, at, header, sizeBytes)) throw faults.corruptBatch('its CRC does not match');
    batches.push({ header, at, sizeBytes });
    at += sizeBytes;
  }
  if (batches.length > 1 && batches.some(({ header }) => header.producerId !== noProducer)) {
    throw faults.invalidRequest('batch', 'holds several batches of an idempotent producer: send one an entry');
  }
  return batches;
}

/** What the topic's settings ask of a batch that is to be written. Comes behind the duplicate check. */
export function checkAllowed(batches: readonly CheckedBatch[], config: LogConfig, nowMs: Millis): void {
  const latestMs = nowMs + config.timestampAheadMaxMs;
  for (const { header, sizeBytes } of batches) {
    if (sizeBytes > config.maxBatchBytes) throw tooLarge(sizeBytes, config.maxBatchBytes);
    if (config.timestampType === 'append') continue;
    if (header.isLogAppendTime) throw faults.corruptBatch('it claims a log-append time: only the server gives one');
    if (header.maxTimestamp > latestMs) {
      const aheadMs = header.maxTimestamp - nowMs;
      throw faults.invalidRequest('timestamp', `lies ${aheadMs} ms ahead of the server's clock: check the client's`);
    }
  }
}

function headerProblem(header: BatchHeader): string | undefined {
  if (header.lastOffsetDelta < 0) return `its last offset delta is ${header.lastOffsetDelta}`;
  if (header.recordsCount !== header.lastOffsetDelta + 1) {
    return `it counts ${header.recordsCount} records, and its offsets ${header.lastOffsetDelta + 1}`;
  }
  if (header.isControl) return 'it is a control batch: only a server writes those';
  if (header.isTransactional) return 'it is part of a transaction: they are not served';
  if (header.hasDeleteHorizon) return 'it carries a delete horizon: only a server writes those';
  if (header.compressionCode > compressionCodeMax) return `its compression ${header.compressionCode} is unknown`;
  if (!isTime(header.baseTimestamp) || !isTime(header.maxTimestamp)) return 'its timestamps are out of bounds';
  if (header.maxTimestamp < header.baseTimestamp) return 'its largest timestamp is below its first';
  return undefined;
}

function producerProblem(header: BatchHeader): string | undefined {
  if (header.producerId === noProducer) return undefined;
  if (header.producerId < 0n) return `its producer id ${header.producerId} is reserved`;
  if (header.producerEpoch < 0) return 'it has a producer and no producer epoch';
  if (header.baseSequence < 0) return 'it has a producer and no sequence';
  return undefined;
}

const isTime = (ms: number): boolean => ms >= 0 && Number.isSafeInteger(ms);

const tooLarge = (sizeBytes: number, maxBytes: number): MoldauError =>
  new MoldauError(
    'RECORD_TOO_LARGE',
    `a batch of ${sizeBytes} bytes exceeds the topic's ${maxBytes}: send smaller ones, or raise max.batch.bytes`,
    { size_bytes: sizeBytes, max_bytes: maxBytes },
  );
