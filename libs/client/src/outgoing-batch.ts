import { assert, type Millis, type MoldauError } from '@moldau/kernel';
import { BatchBuilder, type Compression, type NewRecord, type Producer, reassignProducer } from '@moldau/records';
import { Delivery } from './delivery.ts';
import { SendFailed } from './send-failed.ts';

/** A batch on its way: filled, encoded at its first attempt, and the same bytes at every later one. */
export class OutgoingBatch {
  readonly delivery: Delivery;
  readonly createdAt: Millis;
  /** The size of the buffer that it was given. */
  readonly roomBytes: number;
  readonly #builder: BatchBuilder;
  #bytes: Uint8Array | undefined;
  #chargedBytes = 0;
  #sequence: number | undefined;
  /** Some attempt may have been written: these bytes may be sent again, the records never in another batch. */
  #isDoubtful = false;

  /** `room`: where it is encoded. */
  constructor(partition: number, room: Buffer, createdAt: Millis) {
    this.delivery = new Delivery(partition);
    this.roomBytes = room.length;
    this.#builder = new BatchBuilder(room);
    this.createdAt = createdAt;
  }

  /** Adds a record that the producer's memory is charged for. */
  add(record: NewRecord, chargedBytes: number): void {
    this.#builder.add(record);
    this.#chargedBytes += chargedBytes;
  }

  get count(): number {
    return this.#builder.count;
  }

  /** What the producer's memory is charged for. */
  get chargedBytes(): number {
    return this.#chargedBytes;
  }

  /** Bytes that it takes before compression. */
  get sizeBytes(): number {
    return this.#builder.sizeBytes;
  }

  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /** The sequence of its first record. `undefined`: never sent, or to be sent anew. */
  get sequence(): number | undefined {
    return this.#sequence;
  }

  /** The bytes to send under this producer. Encodes once; a change of producer rewrites only the header. */
  encode(compression: Compression, producer: Producer | undefined): Uint8Array {
    if (this.#bytes === undefined) this.#bytes = this.#builder.build(compression, producer);
    else if (producer !== undefined && this.#sequence === undefined) reassignProducer(this.#bytes, producer);
    this.#sequence = producer?.baseSequence ?? 0;
    return this.#bytes;
  }

  /** Where it is encoded. */
  get room(): Buffer {
    return this.#builder.room;
  }

  /** An attempt failed in a way that leaves its outcome open. */
  doubt(): void {
    this.#isDoubtful = true;
  }

  /** To be sent anew under another sequence. Every attempt was NOT_WRITTEN. */
  forgetSequence(): void {
    assert(!this.#isDoubtful, 'a batch that may be written keeps its sequence');
    this.#sequence = undefined;
  }

  fail(error: MoldauError): SendFailed {
    const failed = new SendFailed(error, this.#isDoubtful ? 'UNKNOWN' : 'NOT_WRITTEN');
    this.delivery.fail(failed);
    return failed;
  }
}
