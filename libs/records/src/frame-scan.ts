import { BatchHeader, headerBytes, lengthPrefixBytes } from './batch-header.ts';
import { crc32c } from './crc32c.ts';

/** What stands at a position: a whole batch whose lengths make sense, the beginning of one, or nonsense. */
export type Scanned =
  | { readonly kind: 'batch'; readonly header: BatchHeader; readonly sizeBytes: number }
  /** The bytes end inside the batch. `neededBytes`: how many it takes from its start, as far as is known. */
  | { readonly kind: 'incomplete'; readonly neededBytes: number }
  | { readonly kind: 'bad'; readonly problem: string };

/** Looks at the frame at `at`: lengths and magic, not the CRC. `maxBytes` bounds what a length may claim. */
export function scanBatch(bytes: Uint8Array, at: number, maxBytes: number): Scanned {
  const available = bytes.length - at;
  if (available < lengthPrefixBytes) return { kind: 'incomplete', neededBytes: headerBytes };
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, lengthPrefixBytes);
  const sizeBytes = lengthPrefixBytes + view.getInt32(8);
  if (sizeBytes < headerBytes)
    return { kind: 'bad', problem: `a batch of ${sizeBytes} bytes is shorter than its header` };
  if (sizeBytes > maxBytes) return { kind: 'bad', problem: `a batch claims ${sizeBytes} bytes, more than ${maxBytes}` };
  if (available < headerBytes) return { kind: 'incomplete', neededBytes: sizeBytes };
  const header = new BatchHeader(bytes, at);
  if (header.magic !== 2) return { kind: 'bad', problem: `format ${header.magic} instead of 2` };
  if (available < sizeBytes) return { kind: 'incomplete', neededBytes: sizeBytes };
  return { kind: 'batch', header, sizeBytes };
}

const crcFrom = 21;

/** Whether the CRC of a whole batch is right. */
export function crcMatches(bytes: Uint8Array, at: number, header: BatchHeader, sizeBytes: number): boolean {
  return crc32c(bytes.subarray(at + crcFrom, at + sizeBytes)) === header.crc;
}
