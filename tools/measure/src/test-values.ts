import { createHash, type Hash } from 'node:crypto';

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
const textBytes = 64 * 1024;

/** Values that both ends can make by themselves: text without line ends, a different one at every offset. */
export class TestValues {
  readonly sizeBytes: number;
  readonly #text: Buffer;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#text = Buffer.alloc(textBytes + sizeBytes);
    let state = 1;
    for (let i = 0; i < this.#text.length; i += 1) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      this.#text[i] = alphabet.charCodeAt((state >>> 16) % alphabet.length);
    }
  }

  /** The value at an offset. A buffer of its own. */
  at(offset: number): Buffer {
    const start = (offset * 131) % textBytes;
    const value = Buffer.from(this.#text.subarray(start, start + this.sizeBytes));
    value.write(`${offset} `, 0, 'latin1');
    return value;
  }
}

/** Sums up records in the order in which they come: the same for two sides only if offsets, values, order and number are. */
export class RecordSum {
  readonly #hash: Hash = createHash('sha256');
  count = 0;

  /** Takes a record as `moldau consume -f '%o %v\n'` prints it. */
  add(offset: bigint | number, value: Uint8Array): void {
    this.#hash.update(`${offset} `);
    this.#hash.update(value);
    this.#hash.update('\n');
    this.count += 1;
  }

  get digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

/** The sum of the first `count` values, at the offsets from 0. */
export function sumOf(values: TestValues, count: number): string {
  const sum = new RecordSum();
  for (let offset = 0; offset < count; offset += 1) sum.add(offset, values.at(offset));
  return sum.digest;
}
