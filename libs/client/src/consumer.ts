import { faults, MoldauError } from '@moldau/kernel';
import type { StoredRecord } from '@moldau/records';
import { type BatchesOptions, checkedBatches } from './batches-options.ts';
import type { ClientPorts } from './client-ports.ts';
import { type Codec, orText } from './codec.ts';
import { FetchSource } from './fetch-source.ts';
import { checkOptionNames, checkTopics, type OptionNames } from './option-names.ts';
import { checkPlace, type Place } from './place.ts';
import { type Size, toBytes } from './quantities.ts';
import { Reader } from './reader.ts';
import { RecordFeed } from './record-feed.ts';
import { type ConsumedRecord, consumedRecord } from './records-of.ts';

/** One partition of one topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** What a consumer reads, without a group: every partition of `topics`, or exactly `assignment`. */
export interface ConsumerOptions<K, V> {
  readonly topics?: readonly string[];
  readonly assignment?: readonly (TopicPartition & { readonly from?: Place })[];
  /** Where partitions begin that say nothing else. Default: the end. */
  readonly from?: Place;
  readonly key?: Codec<K>;
  readonly value?: Codec<V>;
  /** Memory for records that were not asked for yet. Default 16 MiB. */
  readonly buffer?: Size;
}

/** Records that came together. Never empty. */
export interface ConsumedBatch<K, V> {
  readonly records: readonly ConsumedRecord<K, V>[];
}

/** Batches of one partition, one behind the other, in the format of Kafka's record batches (version 2). */
export interface RawBatches {
  readonly topic: string;
  readonly partition: number;
  /** Where the reader stood: the first batch may begin below. */
  readonly baseOffset: bigint;
  /** The offset behind the last batch. */
  readonly nextOffset: bigint;
  readonly bytes: Uint8Array;
}

/** Reads partitions by assignment. One loop at a time, which throws UNKNOWN_TOPIC; leaving the loop keeps the positions. */
export class Consumer<K = string, V = string> implements AsyncDisposable, AsyncIterable<ConsumedRecord<K, V>> {
  readonly #ports: ClientPorts;
  readonly #options: ConsumerOptions<K, V>;
  readonly #reader: Reader;
  readonly #feed: RecordFeed;
  readonly #make: (source: FetchSource, record: StoredRecord) => ConsumedRecord<K, V>;
  #assigned: Promise<void> | undefined;

  constructor(ports: ClientPorts, options: ConsumerOptions<K, V>) {
    check({ ...options });
    this.#ports = ports;
    this.#options = options;
    this.#reader = new Reader(ports, toBytes(options.buffer ?? '16MiB'));
    this.#feed = new RecordFeed(this.#reader, ports.timers);
    const [key, value] = [orText(options.key), orText(options.value)];
    this.#make = (source, record) => consumedRecord(source, record, key, value);
    ports.reading.add(this);
  }

  /** By hand and not as a generator, whose three promises a record would cost more than the record. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumedRecord<K, V>, undefined> {
    let isLeft = false;
    return {
      next: () => {
        if (isLeft) return Promise.resolve({ done: true, value: undefined });
        try {
          const value = this.#feed.take(this.#make);
          return value === undefined ? this.#takeLater() : Promise.resolve({ done: false, value });
        } catch (error) {
          return Promise.reject(error);
        }
      },
      return: () => {
        isLeft = true;
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** The same, by the handful. */
  async *batches(options: BatchesOptions = {}): AsyncGenerator<ConsumedBatch<K, V>> {
    const { maxRecords, maxWaitMs } = checkedBatches(options);
    for (;;) {
      const first = await this.#takeLater();
      if (first.done === true) return;
      const records = [first.value];
      const failure = await this.#feed.fillUp(records, this.#make, maxRecords, maxWaitMs);
      yield { records };
      // What came before the one that can't be given is given first.
      if (failure !== undefined) throw failure.error;
    }
  }

  /**
   * The batches as they are stored, for who copies them elsewhere: they are not decoded, and may be compressed. What a loop
   * over records has read ahead is not among them.
   */
  async *rawBatches(): AsyncGenerator<RawBatches> {
    await this.#assign();
    for (;;) {
      const fetched = await this.#reader.next();
      if (fetched === undefined) return;
      const { source, batches, from, to } = fetched;
      yield { topic: source.topic, partition: source.partition, baseOffset: from, nextOffset: to, bytes: batches };
    }
  }

  /** Goes on elsewhere; what was read ahead is dropped. */
  seek(at: TopicPartition, to: Place): void {
    checkPlace('to', to);
    const source = this.#source(at);
    this.#feed.drop(source);
    this.#reader.seek(source, to);
  }

  /** Stops fetching a partition. What was read ahead still comes. */
  pause(at: TopicPartition): void {
    this.#reader.pause(this.#source(at));
  }

  resume(at: TopicPartition): void {
    this.#reader.resume(this.#source(at));
  }

  /** True when everything that is committed has been given out. */
  get isAtEnd(): boolean {
    return this.#feed.isEmpty && this.#reader.isAtEnd;
  }

  /** Ends every loop: what was read ahead is dropped. */
  close(): Promise<void> {
    this.#ports.reading.delete(this);
    this.#feed.dropAll();
    this.#reader.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The next record, when there is one. Done: there will be none any more. */
  async #takeLater(): Promise<IteratorResult<ConsumedRecord<K, V>, undefined>> {
    await this.#assign();
    for (;;) {
      const value = this.#feed.take(this.#make);
      if (value !== undefined) return { done: false, value };
      if (!(await this.#reader.arrived())) return { done: true, value: undefined };
    }
  }

  #assign(): Promise<void> {
    this.#assigned ??= this.#addSources();
    return this.#assigned;
  }

  async #addSources(): Promise<void> {
    const { topics = [], assignment = [], from = 'end' } = this.#options;
    const { metadata, timeoutMs } = this.#ports;
    for (const name of topics) {
      // A slip of the pen in a name shall not make a topic that nobody writes to.
      const topic = await metadata.topic(name, { autoCreate: false, timeoutMs });
      for (const { index } of topic.partitions) this.#reader.add(new FetchSource(name, index, from, undefined));
    }
    for (const one of assignment)
      this.#reader.add(new FetchSource(one.topic, one.partition, one.from ?? from, undefined));
  }

  #source(at: TopicPartition): FetchSource {
    for (const source of this.#reader.sources) {
      if (source.topic === at.topic && source.partition === at.partition) return source;
    }
    throw new MoldauError('INVALID_REQUEST', `${at.topic}/${at.partition} is not assigned to this consumer`, {
      field: 'partition',
      problem: 'is not assigned',
    });
  }
}

const names: OptionNames<ConsumerOptions<unknown, unknown>> = {
  ...{ topics: true, assignment: true, from: true, key: true, value: true, buffer: true },
};

/** Who reads nothing would end at once, as if everything had been read. */
function check({ group: _, ...options }: ConsumerOptions<unknown, unknown> & { readonly group?: undefined }): void {
  checkOptionNames('a consumer without a `group`', options, names);
  const { topics = [], assignment = [], from = 'end' } = options;
  checkTopics(topics);
  if (topics.length === 0 && assignment.length === 0)
    throw faults.invalidRequest('topics', 'are missing: name one at least, or partitions in `assignment`');
  for (const place of [from, ...assignment.map((one) => one.from ?? from)]) checkPlace('from', place);
}
