import { lengthPrefixBytes } from './batch-header.ts';
import { crc32c } from './crc32c.ts';

const crcAt = 17;
const attributesAt = 21;

/**
 * Changes what the header of a batch says, inside its CRC: the bytes must belong to the caller, and are no batch before `seal`.
 * Where the fields are: `batch-header.ts`.
 */
export class BatchEdit {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** The batch is all of `bytes`. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  set magic(magic: number) {
    this.#view.setInt8(16, magic);
  }
  get attributes(): number {
    return this.#view.getInt16(attributesAt);
  }
  set attributes(attributes: number) {
    this.#view.setInt16(attributesAt, attributes);
  }
  set lastOffsetDelta(delta: number) {
    this.#view.setInt32(23, delta);
  }
  set baseTimestamp(timestamp: bigint) {
    this.#view.setBigInt64(27, timestamp);
  }
  set maxTimestamp(timestamp: bigint) {
    this.#view.setBigInt64(35, timestamp);
  }
  set producerId(id: bigint) {
    this.#view.setBigInt64(43, id);
  }
  set producerEpoch(epoch: number) {
    this.#view.setInt16(51, epoch);
  }
  set baseSequence(sequence: number) {
    this.#view.setInt32(53, sequence);
  }
  set recordsCount(count: number) {
    this.#view.setInt32(57, count);
  }

  /** Writes how long it is, and its CRC. */
  seal(): void {
    this.#view.setInt32(8, this.#bytes.length - lengthPrefixBytes);
    this.#view.setUint32(crcAt, crc32c(this.#bytes.subarray(attributesAt)));
  }
}
