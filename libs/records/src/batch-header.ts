// Record batch, format 2 (big-endian; Kafka's protocol documentation):
//
//   0 baseOffset i64 · 8 batchLength i32 (bytes after it) · 12 partitionLeaderEpoch i32 · 16 magic i8 = 2 ·
//  17 crc u32 = CRC-32C of everything behind it · 21 attributes i16 · 23 lastOffsetDelta i32 · 27 baseTimestamp i64 ·
//  35 maxTimestamp i64 · 43 producerId i64 · 51 producerEpoch i16 · 53 baseSequence i32 · 57 recordsCount i32 · 61 records
//
// Base offset, length, leader epoch and magic lie outside the CRC: a leader stamps a batch without touching its payload.

/** Bytes before the records. */
export const headerBytes = 61;
/** Bytes before what batchLength counts. */
export const lengthPrefixBytes = 12;
/** No producer: the batch takes no part in the duplicate check. */
export const noProducer = -1n;

/** Bits of the attributes. */
export const batchBits = {
  compression: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const;

/** The header of the batch at `at` in `bytes`, decoded on demand: nothing is copied, nothing is checked. */
export class BatchHeader {
  readonly #view: DataView;

  constructor(bytes: Uint8Array, at = 0) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset + at, headerBytes);
  }

  get baseOffset(): bigint {
    return this.#view.getBigInt64(0);
  }
  /** Bytes of the whole batch. */
  get sizeBytes(): number {
    return lengthPrefixBytes + this.#view.getInt32(8);
  }
  get leaderEpoch(): number {
    return this.#view.getInt32(12);
  }
  get magic(): number {
    return this.#view.getInt8(16);
  }
  get crc(): number {
    return this.#view.getUint32(17);
  }
  get attributes(): number {
    return this.#view.getInt16(21);
  }
  get compressionCode(): number {
    return this.attributes & batchBits.compression;
  }
  get isLogAppendTime(): boolean {
    return (this.attributes & batchBits.logAppendTime) !== 0;
  }
  get isTransactional(): boolean {
    return (this.attributes & batchBits.transactional) !== 0;
  }
  get isControl(): boolean {
    return (this.attributes & batchBits.control) !== 0;
  }
  get hasDeleteHorizon(): boolean {
    return (this.attributes & batchBits.deleteHorizon) !== 0;
  }
  get lastOffsetDelta(): number {
    return this.#view.getInt32(23);
  }
  get lastOffset(): bigint {
    return this.baseOffset + BigInt(this.lastOffsetDelta);
  }
  /** The offset behind the batch. */
  get nextOffset(): bigint {
    return this.lastOffset + 1n;
  }
  get baseTimestamp(): number {
    return Number(this.#view.getBigInt64(27));
  }
  get maxTimestamp(): number {
    return Number(this.#view.getBigInt64(35));
  }
  get producerId(): bigint {
    return this.#view.getBigInt64(43);
  }
  get producerEpoch(): number {
    return this.#view.getInt16(51);
  }
  get baseSequence(): number {
    return this.#view.getInt32(53);
  }
  get recordsCount(): number {
    return this.#view.getInt32(57);
  }
}

/** Writes the two fields that a leader owns. The bytes must belong to the caller. */
export function stampBatch(bytes: Uint8Array, at: number, baseOffset: bigint, leaderEpoch: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, lengthPrefixBytes + 4);
  view.setBigInt64(0, baseOffset);
  view.setInt32(12, leaderEpoch);
}
