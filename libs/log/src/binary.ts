import { crc32c } from '@moldau/records';

// Every small binary file of the engine is one sealed block (big-endian):
//
//   0 kind: 4 ASCII letters · 4 version u16 · 6 reserved u16 = 0 · 8 payload length u32 · 12 crc u32 of the payload · 16 payload
//
// A reader that finds another kind, a wrong length or CRC treats the file as missing; a newer version is said as such.

const sealBytes = 16;

/** What a sealed block turned out to be. */
export type Unsealed =
  | { readonly kind: 'ok'; readonly version: number; readonly payload: ByteReader }
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'bad'; readonly problem: string };

export function seal(kind: string, version: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(sealBytes + payload.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 4; i += 1) bytes[i] = kind.charCodeAt(i);
  view.setUint16(4, version);
  view.setUint32(8, payload.length);
  view.setUint32(12, crc32c(payload));
  bytes.set(payload, sealBytes);
  return bytes;
}

export function unseal(kind: string, version: number, bytes: Uint8Array): Unsealed {
  if (bytes.length < sealBytes) return { kind: 'bad', problem: 'cut off in its header' };
  for (let i = 0; i < 4; i += 1) {
    if (bytes[i] !== kind.charCodeAt(i)) return { kind: 'bad', problem: `not a file of kind ${kind}` };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const payload = bytes.subarray(sealBytes);
  if (view.getUint32(8) !== payload.length) return { kind: 'bad', problem: 'not as long as it says' };
  if (view.getUint32(12) !== crc32c(payload)) return { kind: 'bad', problem: 'its CRC does not match' };
  const written = view.getUint16(4);
  if (written > version) return { kind: 'newer', version: written };
  return { kind: 'ok', version: written, payload: new ByteReader(payload) };
}

/** Builds a payload. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #at = 0;

  constructor(expectedBytes = 256) {
    this.#bytes = new Uint8Array(expectedBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  u16(value: number): this {
    const at = this.#advance(2);
    this.#view.setUint16(at, value);
    return this;
  }
  u32(value: number): this {
    const at = this.#advance(4);
    this.#view.setUint32(at, value);
    return this;
  }
  i64(value: bigint): this {
    const at = this.#advance(8);
    this.#view.setBigInt64(at, value);
    return this;
  }
  f64(value: number): this {
    const at = this.#advance(8);
    this.#view.setFloat64(at, value);
    return this;
  }
  /** Length u16, then UTF-8. */
  text(value: string): this {
    const encoded = new TextEncoder().encode(value);
    this.u16(encoded.length);
    const at = this.#advance(encoded.length);
    this.#bytes.set(encoded, at);
    return this;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Makes room, which may replace the bytes and the view: to be called before either is used. */
  #advance(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#at, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** Reads a payload in the order in which it was written. The CRC vouches for its form: reading beyond is a bug. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }
  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }
  i64(): bigint {
    return this.#view.getBigInt64(this.#advance(8));
  }
  f64(): number {
    return this.#view.getFloat64(this.#advance(8));
  }
  text(): string {
    const length = this.u16();
    const at = this.#advance(length);
    return new TextDecoder().decode(this.#bytes.subarray(at, at + length));
  }

  #advance(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    return at;
  }
}
