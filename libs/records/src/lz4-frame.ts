import { decompressFrameSync } from 'lz4-napi';

// LZ4 frame (its format description, 1.6.2): magic 0x184D2204 LE · FLG · BD · [content size u64 LE if FLG bit 3] ·
// [dictionary id u32 if FLG bit 0] · header checksum u8 · blocks { size u32 LE, high bit = stored · bytes ·
// [checksum u32 if FLG bit 4] } · end mark 0 · [content checksum u32 if FLG bit 2].
// The decoder allocates what the blocks can hold, so the most that they can hold is added up first.

const magic = 0x184d2204;
const storedBit = 0x80000000;

/** Throws an Error that says what is wrong. */
export function decompressLz4(frame: Buffer, maxBytes: number): Uint8Array {
  const atMost = capacityBytes(frame);
  if (atMost > maxBytes) throw new Error(`its blocks can hold ${atMost} bytes`);
  return decompressFrameSync(frame);
}

function capacityBytes(frame: Buffer): number {
  if (frame.length < 7 || frame.readUInt32LE(0) !== magic) throw new Error('it is no LZ4 frame');
  const flags = frame.readUInt8(4);
  const blockBytes = maxBlockBytes((frame.readUInt8(5) >> 4) & 7);
  const hasBlockChecksum = (flags & 0x10) !== 0;
  const hasContentSize = (flags & 0x08) !== 0;
  let at = 6 + (hasContentSize ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0) + 1;
  let blocks = 0;
  for (;;) {
    if (at + 4 > frame.length) throw new Error('it ends before its end mark');
    const size = frame.readUInt32LE(at);
    at += 4;
    if (size === 0) break;
    at += (size & ~storedBit) + (hasBlockChecksum ? 4 : 0);
    blocks += 1;
  }
  const capacity = blocks * blockBytes;
  if (!hasContentSize) return capacity;
  return Math.min(capacity, Number(frame.readBigUInt64LE(6)));
}

function maxBlockBytes(code: number): number {
  if (code < 4) throw new Error(`unknown block size ${code}`);
  return 2 ** (8 + 2 * code);
}
