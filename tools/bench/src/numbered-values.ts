const clientBytes = 2;
const sequenceBytes = 6;
const numberBytes = clientBytes + sequenceBytes;
const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Values that say in their first bytes whose they are and which one; the rest is text. */
export class NumberedValues {
  readonly #client: number;
  readonly #pattern: Buffer;

  constructor(client: number, valueBytes: number) {
    if (valueBytes < numberBytes) throw new Error(`a value takes at least ${numberBytes} bytes, for its number`);
    this.#client = client;
    this.#pattern = Buffer.alloc(valueBytes);
    for (let i = 0; i < valueBytes; i += 1) this.#pattern[i] = alphabet.charCodeAt((i * 7) % alphabet.length);
  }

  /** A buffer of its own: a client may keep it until it is acknowledged. */
  at(sequence: number): Buffer {
    const value = Buffer.from(this.#pattern);
    value.writeUInt16BE(this.#client, 0);
    value.writeUIntBE(sequence, clientBytes, sequenceBytes);
    return value;
  }
}

/** The number that a value has among those of its client. */
export const sequenceOf = (value: Uint8Array): number => viewOf(value).readUIntBE(clientBytes, sequenceBytes);

const viewOf = (value: Uint8Array): Buffer => Buffer.from(value.buffer, value.byteOffset, value.byteLength);

/** What one reader has read. The sum over all readers says whether each record was read, as their number alone can't. */
export interface ReadSum {
  readonly records: number;
  readonly sequences: number;
}

/** Sums up what a reader reads, and throws when a client's values do not come in the order in which it wrote them. */
export class OrderedSum implements ReadSum {
  readonly #last = new Map<number, number>();
  records = 0;
  sequences = 0;

  add(value: Uint8Array): void {
    const client = viewOf(value).readUInt16BE(0);
    const sequence = sequenceOf(value);
    const last = this.#last.get(client) ?? -1;
    if (sequence <= last) throw new Error(`record ${sequence} of client ${client} came after its record ${last}`);
    this.#last.set(client, sequence);
    this.records += 1;
    this.sequences += sequence;
  }
}

/** What all readers together must have read, of clients that have written so many each. */
export function sumWritten(records: readonly number[]): ReadSum {
  const add = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  return { records: add(records), sequences: add(records.map((count) => (count * (count - 1)) / 2)) };
}
