import { uncompressSync } from 'snappy';

// Java clients frame snappy as xerial does: an 8-byte magic, version i32, lowest compatible version i32, and then blocks
// of length i32 + raw snappy. Others send one raw block. A raw block starts with its uncompressed length as a varint.

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeaderBytes = 16;

/** Throws an Error that says what is wrong. */
export function decompressSnappy(bytes: Buffer, maxBytes: number): Uint8Array {
  if (!bytes.subarray(0, xerialMagic.length).equals(xerialMagic)) return decompressBlock(bytes, maxBytes);
  const parts: Uint8Array[] = [];
  let roomBytes = maxBytes;
  let at = xerialHeaderBytes;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw new Error('a block length is cut off');
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length <= 0 || at + length > bytes.length) throw new Error(`a block of ${length} bytes does not fit`);
    const part = decompressBlock(bytes.subarray(at, at + length), roomBytes);
    parts.push(part);
    roomBytes -= part.length;
    at += length;
  }
  return Buffer.concat(parts);
}

function decompressBlock(block: Buffer, maxBytes: number): Uint8Array {
  const declared = declaredBytes(block);
  if (declared > maxBytes) throw new Error(`it declares ${declared} bytes`);
  return uncompressSync(block, { asBuffer: true }) as Buffer;
}

function declaredBytes(block: Buffer): number {
  let value = 0;
  for (let i = 0; i < 5; i += 1) {
    const byte = block[i];
    if (byte === undefined) throw new Error('it ends inside its length');
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return value;
  }
  throw new Error('its length is too long');
}
