export * from './batch-header.ts';
export { crc32c } from './crc32c.ts';
export { crcMatches, type Scanned, scanBatch } from './frame-scan.ts';
