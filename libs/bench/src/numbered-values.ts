// A value: 0 writer u16 · 2 number u48 (big-endian) · 8 text, of which every number has a piece of its own

/** What carries writer and number. */
export const valueBytesMin = 8;
/** Every so many values the whole text is compared: the number tells where it stands, and few would not notice a shift. */
const comparedEvery = 61;

/** Different texts, and how far one begins behind the other. */
const texts = 256;
const textStride = 131;
/** Below every number. */
const none = -1;
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
  readonly #values: readonly Buffer[];

  /** `writer`: below 65 536. */
  constructor(valueBytes: number, writer: number) {
    if (valueBytes < valueBytesMin) throw new RangeError(`a value takes ${valueBytesMin} bytes at least`);
    const text = logText(texts * textStride + valueBytes);
    this.#values = Array.from({ length: texts }, (_, index) => {
      const value = Buffer.alloc(valueBytes);
      value.writeUInt16BE(writer, 0);
      text.copy(value, valueBytesMin, index * textStride);
      return value;
    });
  }

  /** The value of a number. It lies in the same buffer as the one 256 before: to be copied by who keeps it. */
  at(number: number): Buffer {
    const value = this.#values[number % texts];
    if (value === undefined) throw new RangeError(`${number} is no number of a value`);
    const high = Math.floor(number / 2 ** 32);
    value[2] = high >>> 8;
    value[3] = high;
    value[4] = number >>> 24;
    value[5] = number >>> 16;
    value[6] = number >>> 8;
    value[7] = number;
    return value;
  }
}

/** A value of another size, or a first one of another text: it was not written by these loads, or not with that size. */
export class ForeignValue extends Error {
  override readonly name = 'ForeignValue';
  readonly partition: number;
  readonly offset: bigint;
  /** What the offset holds. */
  readonly problem: string;
  constructor(partition: number, offset: bigint, problem: string) {
    super(`offset ${offset} of partition ${partition} holds ${problem}`);
    this.partition = partition;
    this.offset = offset;
    this.problem = problem;
  }
}

/** How many values were read, and the sum of their numbers: together with the order it shows that each came once. */
export interface ReadSum {
  readonly records: number;
  readonly numbers: number;
}

/** Checks values as they are read, of one reader among several: those of a writer come in order in each partition, and whole. */
export class ValueCheck implements ReadSum {
  readonly #valueBytes: number;
  /** The last number, by partition and writer. */
  readonly #last = new Map<number, number>();
  readonly #expected: NumberedValues;
  /** Of the value before: mostly the next one is of the same partition and writer. */
  #key = -1;
  #lastOfKey = none;
  records = 0;
  numbers = 0;

  constructor(valueBytes: number) {
    this.#valueBytes = valueBytes;
    this.#expected = new NumberedValues(valueBytes, 0);
  }

  /**
   * Its number. Throws when it is not what belongs there: {@link ForeignValue}, or that something was lost or changed. `offset`
   * absent: as many as were taken.
   */
  take(partition: number, value: Uint8Array | null, offset?: bigint): number {
    if (value?.length !== this.#valueBytes) {
      const held = value === null ? 'no value' : `${value.length} bytes`;
      throw this.#foreign(partition, offset, `${held}, not ${this.#valueBytes}`);
    }
    const at = (index: number): number => value[index] ?? 0;
    const writer = at(0) * 256 + at(1);
    const low = ((at(4) << 24) | (at(5) << 16) | (at(6) << 8) | at(7)) >>> 0;
    const number = (at(2) * 256 + at(3)) * 2 ** 32 + low;
    const key = partition * 65_536 + writer;
    if (key !== this.#key) this.#turnTo(key);
    if (this.#lastOfKey === none && !this.#isText(number, value))
      throw this.#foreign(partition, offset, 'another text');
    if (number <= this.#lastOfKey)
      throw new Error(`partition ${partition}: number ${number} of writer ${writer} behind ${this.#lastOfKey}`);
    this.#lastOfKey = number;
    if (number % comparedEvery === 0 && !this.#isText(number, value))
      throw new Error(`the value of number ${number} is not what was written`);
    this.records += 1;
    this.numbers += number;
    return number;
  }

  #foreign(partition: number, offset: bigint | undefined, problem: string): ForeignValue {
    return new ForeignValue(partition, offset ?? BigInt(this.records), problem);
  }

  #turnTo(key: number): void {
    this.#last.set(this.#key, this.#lastOfKey);
    this.#key = key;
    this.#lastOfKey = this.#last.get(key) ?? none;
  }

  #isText(number: number, value: Uint8Array): boolean {
    return this.#expected.at(number).subarray(valueBytesMin).compare(value.subarray(valueBytesMin)) === 0;
  }
}

/** What all readers together must have read, of writers that have written so many each. */
export function sumWritten(records: readonly number[]): ReadSum {
  const add = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  return { records: add(records), numbers: add(records.map((count) => (count * (count - 1)) / 2)) };
}
