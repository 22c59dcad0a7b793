import { Fifo, Gate, MoldauError } from '@moldau/kernel';
import { FetchSource } from '../fetch-source.ts';
import type { Place } from '../place.ts';
import type { GroupPartition } from './membership.ts';

/** A record that was handed out. */
export interface InHand {
  readonly nextOffset: bigint;
  /** `held`: somebody works on it; `skipped`: nobody does any more, and it is not done. */
  state: 'held' | 'skipped' | 'done';
}

/** A partition for as long as a member has it: where it is read, and up to where it is done. */
export class AssignedPartition implements GroupPartition {
  readonly topicId: string;
  readonly topic: string;
  readonly partition: number;
  readonly source: FetchSource;
  readonly #revoking = new AbortController();
  readonly #idle = new Gate();
  /** In their order, from the first that is not done with. */
  readonly #inHand = new Fifo<InHand>();
  #held = 0;
  /** Everything below is done. `undefined`: nothing was handed out yet. */
  #done: bigint | undefined;
  #committed: bigint | undefined;
  #taken: bigint | undefined;
  #overWith: MoldauError | undefined;

  /** `committed`: where the group stands; `from`: where to begin if it stands nowhere. */
  constructor(at: GroupPartition, topic: string, committed: bigint | undefined, from: Place) {
    this.topicId = at.topicId;
    this.topic = topic;
    this.partition = at.partition;
    this.#committed = committed;
    this.source = new FetchSource(topic, at.partition, from, undefined);
    // As if what is below had been read: what retention took meanwhile is a gap, and no error.
    if (committed !== undefined) this.source.skipTo(committed);
  }

  get name(): string {
    return this.source.name;
  }

  /** Aborted when the partition is to be given up, or is lost. */
  get signal(): AbortSignal {
    return this.#revoking.signal;
  }

  /** Why it is the member's no more. `undefined`: it is. */
  get overWith(): MoldauError | undefined {
    return this.#overWith;
  }

  /** The next offset that is to be handed out. `undefined`: not known before records have come. */
  get position(): bigint | undefined {
    return this.#taken ?? this.#committed;
  }

  /** What is to be committed. `undefined`: nothing new. */
  get uncommitted(): bigint | undefined {
    return this.#done === this.#committed ? undefined : this.#done;
  }

  /** Whether the commit of a record was accepted. */
  hasCommitted({ nextOffset }: InHand): boolean {
    return this.#committed !== undefined && this.#committed >= nextOffset;
  }

  /** A record is handed out. */
  take(offset: bigint): InHand {
    const record: InHand = { nextOffset: offset + 1n, state: 'held' };
    this.#inHand.push(record);
    this.#taken = record.nextOffset;
    this.#held += 1;
    return record;
  }

  /** It is done with: so is everything up to the first that is not. */
  finish(record: InHand): void {
    this.#letGo(record);
    record.state = 'done';
    while (this.#inHand.at(0)?.state === 'done') this.#done = this.#inHand.shift()?.nextOffset;
  }

  /** Nobody works on it any more, and it is not done, for now. */
  skip(record: InHand): void {
    this.#letGo(record);
  }

  /** The group goes on elsewhere: what was handed out counts no more. */
  sought(): void {
    this.#letGoOfAll();
    this.#done = undefined;
    this.#taken = undefined;
  }

  committed(offset: bigint): void {
    this.#committed = offset;
  }

  /** Resolves when nothing is in anybody's hand. */
  async idle(): Promise<void> {
    while (this.#held > 0) await this.#idle.wait();
  }

  /** It is to be given up: whoever works on it is told. */
  revoke(): void {
    this.#revoking.abort(givenUp(this.name));
  }

  /** It is the member's no more: nothing of it counts. */
  end(error: MoldauError = givenUp(this.name)): void {
    this.#overWith = error;
    this.#revoking.abort(error);
    this.#letGoOfAll();
  }

  #letGo(record: InHand): void {
    if (record.state !== 'held') return;
    record.state = 'skipped';
    this.#held -= 1;
    if (this.#held === 0) this.#idle.open();
  }

  #letGoOfAll(): void {
    for (let record = this.#inHand.shift(); record !== undefined; record = this.#inHand.shift()) this.#letGo(record);
  }
}

const givenUp = (name: string): MoldauError =>
  new MoldauError(
    'STALE_MEMBER_EPOCH',
    `${name} goes to another member of the group: what is not committed of it comes again there`,
  );
