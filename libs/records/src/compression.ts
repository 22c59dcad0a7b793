import { gunzipSync, gzipSync, constants as zlib, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { faults } from '@moldau/kernel';
import { compressFrameSync } from 'lz4-napi';
import { compressSync as snappyCompressSync } from 'snappy';
import { decompressLz4 } from './lz4-frame.ts';
import { decompressSnappy } from './snappy-block.ts';

/** How the records of a batch are compressed, by the names and in the order of Kafka's attribute bits. */
export const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type Compression = (typeof compressions)[number];

/** The compression with this code in a batch header. `undefined`: there is none. */
export const compressionOf = (code: number): Compression | undefined => compressions[code];

const zstdLevel = { params: { [zlib.ZSTD_c_compressionLevel]: 1 } };

/** Compresses the records of a batch. Speed before ratio: zstd and gzip run at level 1. */
export function compress(compression: Compression, records: Uint8Array): Uint8Array {
  switch (compression) {
    case 'none':
      return records;
    case 'gzip':
      return gzipSync(records, { level: 1 });
    case 'snappy':
      return snappyCompressSync(asBuffer(records));
    case 'lz4':
      return compressFrameSync(asBuffer(records));
    case 'zstd':
      return zstdCompressSync(records, zstdLevel);
  }
}

/**
 * Restores what {@link compress} or another Kafka client made. Never makes more than `maxBytes`, whatever the input
 * claims, and allocates nothing by a length that was not checked against it. Throws CORRUPT_BATCH.
 */
export function decompress(compression: Compression, bytes: Uint8Array, maxBytes: number): Uint8Array {
  try {
    switch (compression) {
      case 'none':
        return bytes;
      case 'gzip':
        return gunzipSync(bytes, { maxOutputLength: maxBytes });
      case 'snappy':
        return decompressSnappy(asBuffer(bytes), maxBytes);
      case 'lz4':
        return decompressLz4(asBuffer(bytes), maxBytes);
      case 'zstd':
        return zstdDecompressSync(bytes, { maxOutputLength: maxBytes });
    }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw faults.corruptBatch(`its ${compression} records do not decompress within ${maxBytes} bytes (${detail})`);
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
