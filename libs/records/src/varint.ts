// Zig-zag varints of records: 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 …, seven bits a byte, lowest first.
// Lengths and offset deltas fit 32 bits; timestamp deltas are safe integers.

/** Bytes that the zig-zag varint of `value` takes. */
export function varintBytes(value: number): number {
  if (value >= -64 && value < 64) return 1;
  if (value >= -8192 && value < 8192) return 2;
  if (value >= -1048576 && value < 1048576) return 3;
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  let bytes = 1;
  while (rest >= 0x80) {
    rest = Math.floor(rest / 0x80);
    bytes += 1;
  }
  return bytes;
}

/** Writes `value` at `at`; returns the position behind it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let position = at;
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  while (rest >= 0x80) {
    target[position] = (rest % 0x80) | 0x80;
    position += 1;
    rest = Math.floor(rest / 0x80);
  }
  target[position] = rest;
  return position + 1;
}

/** The varint at `position`, which moves on. */
export class VarintReader {
  readonly #bytes: Uint8Array;
  position: number;

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.position = position;
  }

  /** A number that fits 53 bits; NaN when the bytes end first or the number is larger. */
  next(): number {
    const at = this.position;
    const first = this.#bytes[at];
    const second = this.#bytes[at + 1];
    // Nearly all of them are that short.
    if (first !== undefined && first < 0x80) {
      this.position = at + 1;
      return (first >>> 1) ^ -(first & 1);
    }
    if (first !== undefined && second !== undefined && second < 0x80) {
      this.position = at + 2;
      const coded = (first & 0x7f) | (second << 7);
      return (coded >>> 1) ^ -(coded & 1);
    }
    return this.#long();
  }

  #long(): number {
    let value = 0;
    let scale = 1;
    for (let length = 0; length < 10; length += 1) {
      const byte = this.#bytes[this.position];
      if (byte === undefined) return Number.NaN;
      this.position += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) return Number.NaN;
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
      scale *= 0x80;
    }
    return Number.NaN;
  }
}
