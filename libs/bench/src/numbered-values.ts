// A value: 0 writer u16 · 2 number u48 (big-endian) · 8 text, of which every number has a piece of its own

/** What carries writer and number. */
export const valueBytesMin = 8;
/** Every so many values the whole text is compared: the number tells where it stands, and few would not notice a shift. */
const comparedEvery = 64;

const textBytes = 64 * 1024;
const words = ['river', 'order', 'paid', 'basket', 'error', 'user', 'item', 'GET', 'POST', 'retry', 'ok', 'price'];

/** Text as a log has it: it compresses as logs do. The same in every process. */
function logText(bytes: number): Buffer {
  const text = Buffer.alloc(bytes);
  let state = 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let at = 0; at < bytes; ) at += text.write(`${words[next(words.length)]}=${next(100_000)} `, at);
  return text;
}

/** Numbered values of one size: who reads them can tell that each came, once, in order and whole. */
export class NumberedValues {
  readonly #value: Buffer;
  readonly #text: Buffer;

  /** `writer`: below 65 536. */
  constructor(valueBytes: number, writer: number) {
    if (valueBytes < valueBytesMin) throw new RangeError(`a value takes ${valueBytesMin} bytes at least`);
    this.#value = Buffer.alloc(valueBytes);
    this.#value.writeUInt16BE(writer, 0);
    this.#text = logText(textBytes + valueBytes);
  }

  /** The value of a number. It lies in the same buffer as the one before. */
  at(number: number): Buffer {
    const value = this.#value;
    value.writeUIntBE(number, 2, 6);
    const start = (number * 131) % textBytes;
    this.#text.copy(value, valueBytesMin, start, start + value.length - valueBytesMin);
    return value;
  }
}

interface WriterCount {
  records: number;
  /** Of the numbers: with their count, and each partition in order, it shows that none is missing or there twice. */
  sum: number;
}

/** Checks values as they are read: order within a partition, and at the end that each number of each writer came once. */
export class ValueCheck {
  readonly #valueBytes: number;
  readonly #writers = new Map<number, WriterCount>();
  /** The last number, by partition and writer. */
  readonly #last = new Map<number, number>();
  readonly #expected: NumberedValues;
  #count = 0;

  constructor(valueBytes: number) {
    this.#valueBytes = valueBytes;
    this.#expected = new NumberedValues(valueBytes, 0);
  }

  get count(): number {
    return this.#count;
  }

  /** Throws when it is not what belongs there. */
  take(partition: number, value: Uint8Array | null): void {
    if (value?.length !== this.#valueBytes) throw new Error(`a value of ${value?.length} bytes: not what was written`);
    const writer = readUint(value, 0, 2);
    const number = readUint(value, 2, 6);
    const key = partition * 65_536 + writer;
    const last = this.#last.get(key) ?? -1;
    if (number <= last) throw new Error(`partition ${partition}: number ${number} of writer ${writer} behind ${last}`);
    this.#last.set(key, number);
    if (number % comparedEvery === 0) this.#compare(number, value);
    this.#note(writer, number);
    this.#count += 1;
  }

  /** Throws unless every writer's numbers from 0 on have come, once each, `records` in all. */
  finish(records: number): void {
    if (this.#count !== records) throw new Error(`${this.#count} of ${records} records were read`);
    for (const [writer, { records: count, sum }] of this.#writers) {
      if (sum !== (count * (count - 1)) / 2)
        throw new Error(`writer ${writer}: some of its ${count} numbers are wrong`);
    }
  }

  #note(writer: number, number: number): void {
    const counted = this.#writers.get(writer);
    if (counted === undefined) this.#writers.set(writer, { records: 1, sum: number });
    else {
      counted.records += 1;
      counted.sum += number;
    }
  }

  #compare(number: number, value: Uint8Array): void {
    const text = value.subarray(valueBytesMin);
    if (this.#expected.at(number).subarray(valueBytesMin).compare(text) === 0) return;
    throw new Error(`the value of number ${number} is not what was written`);
  }
}

function readUint(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = at; i < at + length; i += 1) value = value * 256 + (bytes[i] ?? 0);
  return value;
}
