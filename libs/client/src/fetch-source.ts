import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Offset } from '@moldau/kernel';
import type { PositionSchema } from '@moldau/proto/moldau/log/v1/record_pb';
import { BatchHeader } from '@moldau/records';
import { type FetchedBatches, holdsRecords } from './fetched-batches.ts';
import { type Place, positionOf } from './place.ts';

/** Batches of one partition, in order, that came together. Their length is the credit that their consumption gives back. */
export interface Fetched extends FetchedBatches {
  readonly source: FetchSource;
  /** Nothing in it was asked for. */
  readonly isEmpty: boolean;
}

/** One partition that a reader follows, and how far it has come. Survives sessions, leaders and seeks. */
export class FetchSource {
  readonly topic: string;
  readonly partition: number;
  /** Stop before this offset. `undefined`: never. */
  readonly until: bigint | undefined;
  /** Of this topic alone. `undefined`: of whichever has the name. */
  readonly #topicId: string | undefined;
  #place: Place;
  #next: Offset | undefined;
  #beginsAt: Offset | undefined;
  #lastEpoch: number | undefined;
  #generation = 0;
  isPaused = false;
  /** Everything that is committed has arrived. */
  isAtEnd = false;

  constructor(topic: string, partition: number, from: Place, until: bigint | undefined, topicId?: string) {
    this.topic = topic;
    this.partition = partition;
    this.until = until;
    this.#place = from;
    this.#topicId = topicId;
  }

  /** Whether it may be read from the topic with this id: one that was made again under the same name is another one. */
  isOf(topicId: string): boolean {
    return this.#topicId === undefined || this.#topicId === topicId;
  }

  get name(): string {
    return `${this.topic}/${this.partition}`;
  }

  /** The next offset to arrive. `undefined`: nothing has arrived yet. */
  get next(): Offset | undefined {
    return this.#next;
  }

  /** The offset that its place turned out to be. `undefined`: the server has not said so yet. */
  get beginsAt(): Offset | undefined {
    return this.#beginsAt;
  }

  /** Counts seeks: what was asked for under an older one is dropped. */
  get generation(): number {
    return this.#generation;
  }

  get isDone(): boolean {
    return this.until !== undefined && this.#next !== undefined && this.#next >= this.until;
  }

  /** Where a session is to begin or to go on. */
  get position(): MessageInitShape<typeof PositionSchema> {
    return this.#next === undefined ? positionOf(this.#place) : { at: { case: 'offset', value: this.#next } };
  }

  /** The leader epoch of the last batch that arrived. */
  get lastEpoch(): number | undefined {
    return this.#lastEpoch;
  }

  seek(to: Place): void {
    this.#place = to;
    this.#next = undefined;
    this.#beginsAt = undefined;
    this.#lastEpoch = undefined;
    this.#generation += 1;
  }

  /** As if everything below an offset had arrived, up to a record of this leader epoch. */
  goOnFrom(offset: bigint, lastEpoch: number | undefined): void {
    this.skipTo(offset);
    this.#lastEpoch = lastEpoch;
  }

  /** The server has nothing between what arrived and this offset. */
  skipTo(offset: bigint): void {
    if (this.#next === undefined || offset > this.#next) {
      this.#next = offset as Offset;
      // Of what was passed over nobody knows it.
      this.#lastEpoch = undefined;
    }
    this.#beginsAt ??= this.#next;
  }

  /** Takes what arrived, without looking into it. The first batch may begin below `from`, where the server was to go on. */
  accept(batches: Uint8Array, from: bigint): Fetched {
    const first = this.#next ?? from;
    this.#beginsAt ??= first as Offset;
    let isEmpty = true;
    for (let at = 0; at < batches.length; ) {
      const header = new BatchHeader(batches, at);
      const floor = this.#next ?? from;
      if (holdsRecords(header, floor, this.until)) isEmpty = false;
      if (header.nextOffset > floor) this.#next = header.nextOffset as Offset;
      this.#lastEpoch = header.leaderEpoch;
      at += header.sizeBytes;
    }
    return { source: this, batches, from: first, to: this.#next ?? from, until: this.until, isEmpty };
  }
}
