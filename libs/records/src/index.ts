export { BatchBuilder, type NewRecord, type Producer, type RecordHeader, reassignProducer } from './batch-builder.ts';
export { BatchEdit } from './batch-edit.ts';
export { BatchHeader, batchBits, headerBytes, lengthPrefixBytes, noProducer, stampBatch } from './batch-header.ts';
export {
  defaultMaxUnfoldedBytes,
  iterateRecords,
  openBatch,
  type RecordReader,
  readRecords,
  type StoredRecord,
} from './batch-reader.ts';
export { type Compression, compress, compressionOf, compressions, decompress } from './compression.ts';
export { fencingTokenBatch, fencingTokenOf, tokenBatchBytes } from './control-record.ts';
export { crc32c } from './crc32c.ts';
export { crcMatches, type Scanned, scanBatch } from './frame-scan.ts';
export { murmur2, partitionOfKey } from './murmur2.ts';
