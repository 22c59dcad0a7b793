import { MoldauError } from '@moldau/kernel';
import type { StoredRecord } from '@moldau/records';
import type { ClientPorts } from './client-ports.ts';
import { type Codec, orText } from './codec.ts';
import { FetchSource } from './fetch-source.ts';
import { recordsIn } from './fetched-batches.ts';
import type { Place } from './place.ts';
import { type Duration, type Size, toBytes, toMs } from './quantities.ts';
import { Reader } from './reader.ts';
import { type ConsumedRecord, consumedRecord } from './records-of.ts';

interface Undecoded {
  readonly source: FetchSource;
  readonly record: StoredRecord;
}

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

/** How batches are made up. */
export interface BatchesOptions {
  /** Default 500. */
  readonly maxRecords?: number;
  /** How long to wait for more once there is a record. Default 200 ms. */
  readonly maxWait?: Duration;
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

/** Reads partitions by assignment. One loop at a time; leaving the loop keeps the positions. */
export class Consumer<K = string, V = string> implements AsyncDisposable, AsyncIterable<ConsumedRecord<K, V>> {
  readonly #ports: ClientPorts;
  readonly #options: ConsumerOptions<K, V>;
  readonly #reader: Reader;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;
  readonly #closing = new AbortController();
  #assigned: Promise<void> | undefined;
  /** Not given out yet. Decoded when it is: one that a codec refuses costs no other. */
  #rest: Undecoded[] = [];

  constructor(ports: ClientPorts, options: ConsumerOptions<K, V>) {
    this.#ports = ports;
    this.#options = options;
    this.#reader = new Reader(ports, toBytes(options.buffer ?? '16MiB'));
    this.#key = orText(options.key);
    this.#value = orText(options.value);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumedRecord<K, V>> {
    await this.#assign();
    for (;;) {
      const next = this.#rest.shift();
      if (next !== undefined) yield this.#decode(next);
      else if (!(await this.#fill(this.#closing.signal))) return;
    }
  }

  /** The same, by the handful. */
  async *batches({ maxRecords = 500, maxWait = '200ms' }: BatchesOptions = {}): AsyncGenerator<ConsumedBatch<K, V>> {
    await this.#assign();
    for (;;) {
      while (this.#rest.length === 0) if (!(await this.#fill(this.#closing.signal))) return;
      await this.#fillUp(maxRecords, toMs(maxWait));
      yield { records: this.#rest.splice(0, maxRecords).map((next) => this.#decode(next)) };
    }
  }

  /**
   * The batches as they are stored, for who copies them elsewhere: they are not decoded, and may be compressed. What a loop
   * over records has read ahead is not among them.
   */
  async *rawBatches(): AsyncGenerator<RawBatches> {
    await this.#assign();
    for (;;) {
      const fetched = await this.#reader.next(this.#closing.signal);
      if (fetched === undefined) return;
      const { source, batches, from, to } = fetched;
      yield { topic: source.topic, partition: source.partition, baseOffset: from, nextOffset: to, bytes: batches };
    }
  }

  /** Goes on elsewhere; what was read ahead is dropped. */
  seek(at: TopicPartition, to: Place): void {
    this.#rest = this.#rest.filter(({ source }) => source.topic !== at.topic || source.partition !== at.partition);
    this.#reader.seek(this.#source(at), to);
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
    return this.#rest.length === 0 && this.#reader.isAtEnd;
  }

  close(): Promise<void> {
    this.#closing.abort();
    this.#reader.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #decode({ source, record }: Undecoded): ConsumedRecord<K, V> {
    return consumedRecord(source, record, this.#key, this.#value);
  }

  #assign(): Promise<void> {
    this.#assigned ??= this.#addSources();
    return this.#assigned;
  }

  async #addSources(): Promise<void> {
    const { topics = [], assignment = [], from = 'end' } = this.#options;
    const { metadata, timeoutMs } = this.#ports;
    for (const name of topics) {
      const topic = await metadata.topic(name, { autoCreate: true, timeoutMs });
      for (const { index } of topic.partitions) this.#reader.add(new FetchSource(name, index, from, undefined));
    }
    for (const one of assignment)
      this.#reader.add(new FetchSource(one.topic, one.partition, one.from ?? from, undefined));
  }

  /** Waits for records. False: there will be none any more, or `signal` was aborted. */
  async #fill(signal: AbortSignal): Promise<boolean> {
    const fetched = await this.#reader.next(signal);
    if (fetched === undefined) return false;
    for (const record of recordsIn(fetched)) this.#rest.push({ source: fetched.source, record });
    return true;
  }

  async #fillUp(maxRecords: number, maxWaitMs: number): Promise<void> {
    const waited = new AbortController();
    const cancel = this.#ports.timers.after(maxWaitMs, () => waited.abort());
    while (this.#rest.length < maxRecords && (await this.#fill(waited.signal)));
    cancel();
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
