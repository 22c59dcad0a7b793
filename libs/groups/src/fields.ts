import { VarintReader, varintBytes, writeVarint } from '@moldau/records/varint';

// Numbers are zig-zag varints, as in record batches; 64-bit ones are 8 bytes, big-endian; texts are a length and UTF-8;
// what may be absent is a byte 0, or a byte 1 and itself.

/** A record of `__groups` that this program can't read: damaged, or written by a newer one. The shard must not be served. */
export class UnreadableRecord extends Error {
  override readonly name = 'UnreadableRecord';
}

/** Builds the key or the value of a record. */
export class FieldWriter {
  #bytes = new Uint8Array(64);
  #at = 0;

  number(value: number): this {
    const at = this.#advance(varintBytes(value));
    writeVarint(this.#bytes, at, value);
    return this;
  }
  i64(value: bigint): this {
    const at = this.#advance(8);
    new DataView(this.#bytes.buffer).setBigInt64(at, value);
    return this;
  }
  text(value: string): this {
    const encoded = new TextEncoder().encode(value);
    this.number(encoded.length);
    const at = this.#advance(encoded.length);
    this.#bytes.set(encoded, at);
    return this;
  }
  optional<T>(value: T | undefined, write: (value: T) => void): this {
    this.number(value === undefined ? 0 : 1);
    if (value !== undefined) write(value);
    return this;
  }
  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.number(items.length);
    for (const item of items) write(item);
    return this;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  /** Makes room, which may replace the bytes: to be called before they are used. */
  #advance(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#at, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    return at;
  }
}

/** Reads what a {@link FieldWriter} has written, in the same order; throws {@link UnreadableRecord} where it is something else. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #varints: VarintReader;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#varints = new VarintReader(bytes, 0);
  }

  number(): number {
    const value = this.#varints.next();
    if (!(value >= 0)) throw new UnreadableRecord('a number is missing or negative');
    return value;
  }
  i64(): bigint {
    const at = this.#take(8);
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset).getBigInt64(at);
  }
  text(): string {
    const length = this.number();
    const at = this.#take(length);
    return new TextDecoder().decode(this.#bytes.subarray(at, at + length));
  }
  optional<T>(read: () => T): T | undefined {
    return this.number() === 0 ? undefined : read();
  }
  /** Allocates nothing from a length before its items are there. */
  list<T>(read: () => T): T[] {
    const items: T[] = [];
    for (let left = this.number(); left > 0; left -= 1) items.push(read());
    return items;
  }
  /** All must have been read. */
  end(): void {
    if (this.#varints.position !== this.#bytes.length) throw new UnreadableRecord('there is more than belongs to it');
  }

  #take(bytes: number): number {
    const at = this.#varints.position;
    if (at + bytes > this.#bytes.length) throw new UnreadableRecord('it is cut off');
    this.#varints.position = at + bytes;
    return at;
  }
}
