import { Fifo, Gate, MoldauError, type PartitionKey } from '@moldau/kernel';
import { FetchSource } from '../fetch-source.ts';
import type { Place } from '../place.ts';
import type { Granted, NamedPartition } from './membership-machine.ts';

/** A record that was handed out. */
export interface InHand {
  readonly offset: bigint;
  state: 'held' | 'dropped' | 'done';
}

/** A partition for as long as a member has it: where it is read, and up to where it is done. */
export class AssignedPartition implements NamedPartition {
  readonly key: PartitionKey;
  readonly topicId: string;
  readonly topic: string;
  readonly partition: number;
  readonly source: FetchSource;
  readonly #revoking = new AbortController();
  readonly #idle = new Gate();
  /** In their order, from the first that is not done. */
  readonly #inHand = new Fifo<InHand>();
  #held = 0;
  /** Everything below is done. `undefined`: nothing was handed out yet. */
  #done: bigint | undefined;
  #committed: bigint | undefined;
  /** What the coordinator has refused for good: it is not asked again. */
  #refused: { readonly offset: bigint; readonly error: MoldauError } | undefined;
  #taken: bigint | undefined;
  #overWith: MoldauError | undefined;

  /** `from`: where to begin if nothing is committed. */
  constructor({ key, topicId, partition, committed }: Granted, topic: string, from: Place) {
    this.key = key;
    this.topicId = topicId;
    this.topic = topic;
    this.partition = partition;
    this.#committed = committed?.offset;
    this.source = new FetchSource(topic, partition, from, undefined, topicId);
    // What retention took meanwhile is a gap, and no error.
    if (committed !== undefined) this.source.goOnFrom(committed.offset, committed.leaderEpoch);
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

  /**
   * What is to be committed. `undefined`: nothing new. Where nothing was committed so far, that is where it began: whoever has the
   * partition next must not begin at an end that has moved on.
   */
  get uncommitted(): bigint | undefined {
    const offset = this.#done ?? (this.#committed === undefined ? this.source.beginsAt : undefined);
    return offset === this.#committed || offset === this.#refused?.offset ? undefined : offset;
  }

  /** Why it is not committed up to an offset. `undefined`: it is, or that was not asked for. */
  whyNotCommitted(offset: bigint): MoldauError | undefined {
    if (this.#committed !== undefined && this.#committed >= offset) return undefined;
    const refused = this.#refused !== undefined && this.#refused.offset >= offset ? this.#refused.error : undefined;
    return this.#overWith ?? refused;
  }

  /** Something is in somebody's hand. */
  get isHeld(): boolean {
    return this.#held > 0;
  }

  /** A record is handed out. */
  take(offset: bigint): InHand {
    const record: InHand = { offset, state: 'held' };
    this.#inHand.push(record);
    this.#taken = offset + 1n;
    this.#held += 1;
    return record;
  }

  /** It is done: so is everything up to the first that is not. */
  finish(record: InHand): void {
    if (record.state !== 'held') return;
    this.#letGo(record, 'done');
    for (let first = this.#inHand.at(0); first?.state === 'done'; first = this.#inHand.at(0)) {
      this.#done = first.offset + 1n;
      this.#inHand.shift();
    }
  }

  /** Nobody works on it any more, and it is not done. */
  drop(record: InHand): void {
    if (record.state === 'held') this.#letGo(record, 'dropped');
  }

  /** Forgets what was handed out and is not done. Returns the first of it, from where it is to come again. */
  rewind(): bigint | undefined {
    const first = this.#inHand.at(0)?.offset;
    this.#forget();
    this.#taken = first ?? this.#taken;
    return first;
  }

  /** It is read from elsewhere: what was handed out counts no more. */
  sought(): void {
    this.#forget();
    this.#done = undefined;
    this.#taken = undefined;
  }

  committed(offset: bigint): void {
    this.#committed = offset;
  }

  refused(offset: bigint, error: MoldauError): void {
    this.#refused = { offset, error };
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
    this.#forget();
  }

  #letGo(record: InHand, state: 'dropped' | 'done'): void {
    record.state = state;
    this.#held -= 1;
    if (this.#held === 0) this.#idle.open();
  }

  #forget(): void {
    for (let record = this.#inHand.shift(); record !== undefined; record = this.#inHand.shift()) this.drop(record);
  }
}

const givenUp = (name: string): MoldauError =>
  new MoldauError(
    'STALE_MEMBER_EPOCH',
    `${name} goes to another member of the group: what is not committed of it comes again there`,
  );
