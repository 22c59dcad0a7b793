import { faults, Gate, type Millis, MoldauError } from '@moldau/kernel';
import type { Topic } from '@moldau/proto/moldau/cluster/v1/metadata_pb';
import type { Compression, NewRecord } from '@moldau/records';
import { AppendLink } from './append-link.ts';
import { BatchBuffers } from './batch-buffers.ts';
import { bytesWithin, msWithin, producerBounds } from './bounds.ts';
import type { ClientPorts } from './client-ports.ts';
import { type Codec, orText } from './codec.ts';
import type { Delay } from './delays.ts';
import type { Sent, Ticket } from './delivery.ts';
import { Losses } from './losses.ts';
import type { OutgoingBatch } from './outgoing-batch.ts';
import { PartitionSender } from './partition-sender.ts';
import { Partitioner } from './partitioner.ts';
import { type Duration, type Size, toMs } from './quantities.ts';
import type { SendFailed } from './send-failed.ts';

/** How a producer writes. */
export interface ProducerOptions<K, V> {
  readonly topic: string;
  /** Default: UTF-8 text. */
  readonly key?: Codec<K>;
  /** Default: UTF-8 text. */
  readonly value?: Codec<V>;
  /** How long a batch waits for more records: an hour at most. Default 5 ms. */
  readonly linger?: Duration;
  /** A batch that has reached this is sent: 1 byte to 1 GiB, but never more than the topic takes. Default 64 KiB. */
  readonly batchSize?: Size;
  /** Default: none. */
  readonly compression?: Compression;
  /** Memory for records that are not acknowledged; `send` and `push` wait for room. Default 32 MiB. */
  readonly buffer?: Size;
  /** How long a record may take, every attempt included. Default 2 minutes. */
  readonly deliveryTimeout?: Duration;
  /** Whether repeated attempts land once. Default true; false never repeats what may be written. */
  readonly idempotent?: boolean;
  /**
   * For a topic with a single writer: whoever has a lower token, or none, writes nothing any more to a partition that this
   * producer has written to, whatever it has in flight. 0 or more, from something that only grows. A producer that meets a
   * higher one loses what it has not written to that partition, and takes nothing any more: `push` throws FENCED_TOKEN.
   */
  readonly fencingToken?: bigint;
  /** Told every two seconds of a partition whose records can't be written yet: why, and for how long. */
  readonly onDelay?: (delay: Delay) => void;
}

/** A record to be sent. */
export interface OutgoingRecord<K, V> {
  /** Absent or null: no key. */
  readonly key?: K | null;
  /** null: a tombstone. */
  readonly value: V | null;
  readonly headers?: readonly { readonly name: string; readonly value: Uint8Array | string | null }[];
  /** Milliseconds since 1970. Default: now. */
  readonly timestampMs?: number;
  /** Default: chosen by the key. */
  readonly partition?: number;
}

const noHeaders: NonNullable<NewRecord['headers']> = [];

// What a record takes in a batch of its own beside its key, value and headers, at most: 61 bytes of the batch's header,
// and six numbers of its own.
const recordOverheadBytes = 96;
const timestampMsMax = 2 ** 51;

/** What is taken between two turns of the loop. */
const turnBytes = 256 * 1024;
/** Records of `pushAll` for which the clock is asked once. */
const stampedAtOnce = 16;

/** Writes records to one topic: batched, pipelined, idempotent, in order within a partition. */
export class Producer<K = string, V = string> implements AsyncDisposable {
  readonly #ports: ClientPorts;
  readonly #options: ProducerOptions<K, V>;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;
  readonly #bufferBytes: number;
  readonly #batchBytes: number;
  readonly #lingerMs: Millis;
  readonly #partitioner: Partitioner;
  readonly #buffers: BatchBuffers;
  readonly #senders = new Map<number, PartitionSender>();
  readonly #links = new Map<string, AppendLink>();
  readonly #changed = new Gate();
  #topic: Topic | undefined;
  #heldBytes = 0;
  #sinceTurnBytes = 0;
  #undecided = 0;
  #losses = new Losses();
  /** Records that wait for room, or for the topic. */
  #taking = 0;
  /** Takes no new ones; those that wait still come. */
  #closed = false;
  /** Nothing more is taken. */
  #isOver = false;
  #fenced: MoldauError | undefined;

  constructor(ports: ClientPorts, options: ProducerOptions<K, V>) {
    this.#ports = ports;
    this.#options = options;
    this.#key = orText(options.key);
    this.#value = orText(options.value);
    this.#bufferBytes = bytesWithin('buffer', options.buffer ?? '32MiB', producerBounds.buffer);
    this.#batchBytes = bytesWithin('batchSize', options.batchSize ?? '64KiB', producerBounds.batchSize);
    this.#lingerMs = msWithin('linger', options.linger ?? '5ms', producerBounds.linger);
    this.#partitioner = new Partitioner(ports.random);
    this.#buffers = new BatchBuffers(this.#batchBytes, this.#bufferBytes);
  }

  /** Sends one record; resolves when it is durable. Throws {@link SendFailed}. */
  async send(record: OutgoingRecord<K, V>): Promise<Sent> {
    return (await this.push(record)).ack;
  }

  /** Takes one record; resolves as soon as there is room for it. What becomes of it: `ticket.ack`, or `flush`. */
  async push(record: OutgoingRecord<K, V>): Promise<Ticket> {
    if (this.#closed) throw closed();
    const nowMs = this.#ports.clock.wallMs();
    const ticket = this.#tryTake(record, nowMs, ticketOfLast) ?? (await this.#take(record, nowMs, ticketOfLast));
    if (this.#sinceTurnBytes >= turnBytes) await this.#turn();
    return ticket;
  }

  /**
   * Takes many, in order; resolves when there was room for the last. Each is encoded before the next is asked for. What
   * becomes of them: `flush`. Throws as `push` does: what stands before the record that is refused is taken. Those without a
   * timestamp get that of the first of every sixteen: to ask a clock takes a sixth of what a small record takes.
   */
  async pushAll(records: Iterable<OutgoingRecord<K, V>>): Promise<void> {
    let nowMs: Millis = 0;
    let stamps = 0;
    for (const record of records) {
      if (this.#closed) throw closed();
      if (stamps === 0) nowMs = this.#ports.clock.wallMs();
      stamps = (stamps + 1) % stampedAtOnce;
      if (this.#tryTake(record, nowMs, unnoticed) === undefined) {
        await this.#take(record, nowMs, unnoticed);
        stamps = 0;
      }
      if (this.#sinceTurnBytes < turnBytes) continue;
      await this.#turn();
      stamps = 0;
    }
  }

  /**
   * Resolves when everything that was taken is decided. Throws the first loss since the last flush that nobody has seen:
   * neither `send` has thrown it, nor was its `ticket.ack` read.
   */
  async flush(): Promise<void> {
    for (const sender of this.#senders.values()) sender.flush();
    while (this.#undecided > 0) await this.#changed.wait();
    const { first } = this.#losses;
    this.#losses = new Losses();
    if (first !== undefined) throw first;
  }

  /** Takes no more, lets what waits for room have it, flushes, and ends. Throws as `flush` does. */
  async close(): Promise<void> {
    this.#closed = true;
    try {
      while (this.#taking > 0) await this.#changed.wait();
      await this.flush();
    } finally {
      this.#isOver = true;
      this.#end();
    }
  }

  /** Ends at once: what is not decided is given up. */
  abort(): void {
    this.#closed = true;
    this.#isOver = true;
    this.#changed.open();
    for (const sender of this.#senders.values())
      sender.abandon(new MoldauError('TIMED_OUT', 'the producer was aborted before this record was acknowledged'));
    this.#end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #end(): void {
    for (const link of this.#links.values()) link.end();
    this.#links.clear();
  }

  async #findTopic(): Promise<void> {
    const { metadata, timeoutMs } = this.#ports;
    this.#topic = await metadata.topic(this.#options.topic, { autoCreate: true, timeoutMs });
  }

  /** Throws UNKNOWN_PARTITION. */
  async #lookAgain(asked: number): Promise<void> {
    const { metadata, timeoutMs } = this.#ports;
    const topic = await metadata.refresh(this.#options.topic, { autoCreate: false, timeoutMs });
    this.#topic = topic;
    if (asked >= topic.partitions.length) throw faults.unknownPartition(topic.name, asked, topic.partitions.length);
  }

  #encode({ key, value, headers, timestampMs }: OutgoingRecord<K, V>, nowMs: Millis): NewRecord {
    return {
      key: key === undefined || key === null ? null : checkedBytes('key', this.#key.encode(key)),
      value: value === null ? null : checkedBytes('value', this.#value.encode(value)),
      timestampMs: timestampMs === undefined ? nowMs : checkedTime(timestampMs),
      headers: headers === undefined ? noHeaders : encodedHeaders(headers),
    };
  }

  /**
   * What `note` makes of the batch in which the record is the last one: in the same turn, for then another may be. `undefined`:
   * there is no room now, or the topic is not known.
   */
  #tryTake<T>(record: OutgoingRecord<K, V>, nowMs: Millis, note: (batch: OutgoingBatch) => T): T | undefined {
    if (this.#isOver) throw closed();
    if (this.#fenced !== undefined) throw this.#fenced;
    const topic = this.#topic;
    if (topic === undefined || isBeyond(record, topic)) return undefined;
    const encoded = this.#encode(record, nowMs);
    const bytes = sizeOf(encoded);
    if (bytes > topic.maxBatchBytes) throw tooLarge(bytes, topic.maxBatchBytes);
    if (this.#heldBytes > 0 && this.#heldBytes + bytes > this.#bufferBytes) return undefined;
    return note(this.#add(encoded, bytes, record.partition, topic.partitions.length));
  }

  /** The same, however long that takes. */
  async #take<T>(record: OutgoingRecord<K, V>, nowMs: Millis, note: (batch: OutgoingBatch) => T): Promise<T> {
    this.#taking += 1;
    try {
      if (this.#topic === undefined) await this.#findTopic();
      for (;;) {
        // The topic may have more partitions by now than when it was found, and one that was made again has others.
        if (isBeyond(record, this.#topic)) await this.#lookAgain(record.partition);
        const noted = this.#tryTake(record, nowMs, note);
        if (noted !== undefined) return noted;
        // Room comes with the next answer. Only if none is to come is what gathers sent: else each wait would make batches smaller.
        if (!this.#isAnythingUnderway) for (const sender of this.#senders.values()) sender.flush();
        await this.#changed.wait();
      }
    } finally {
      this.#taking -= 1;
      this.#changed.open();
    }
  }

  get #isAnythingUnderway(): boolean {
    for (const sender of this.#senders.values()) if (sender.isUnderway) return true;
    return false;
  }

  /** Lets the sockets have their turn: whoever pushes without end would fill the buffer before anything leaves. */
  #turn(): Promise<void> {
    this.#sinceTurnBytes = 0;
    return new Promise((resolve) => this.#ports.timers.after(0, resolve));
  }

  #add(record: NewRecord, bytes: number, asked: number | undefined, partitions: number): OutgoingBatch {
    if (asked !== undefined && !(Number.isInteger(asked) && asked >= 0)) {
      throw faults.unknownPartition(this.#options.topic, asked, partitions);
    }
    const partition = asked ?? this.#partitioner.choose(record.key, partitions);
    const sender = this.#sender(partition);
    if (!sender.fits(bytes)) {
      sender.flush();
      if (record.key === null && asked === undefined) this.#partitioner.turn(partitions);
    }
    const batch = sender.add(record, bytes);
    this.#heldBytes += bytes;
    this.#sinceTurnBytes += bytes;
    if (batch.count === 1) this.#undecided += 1;
    return batch;
  }

  #sender(partition: number): PartitionSender {
    const known = this.#senders.get(partition);
    if (known !== undefined) return known;
    const { topic, compression, idempotent, deliveryTimeout, fencingToken } = this.#options;
    const sender = new PartitionSender(partition, this.#ports, {
      topic,
      compression: compression ?? 'none',
      lingerMs: this.#lingerMs,
      // A topic may take less than what a batch would be filled to.
      batchBytes: Math.min(this.#batchBytes, this.#topic?.maxBatchBytes ?? this.#batchBytes),
      idempotent: idempotent ?? true,
      deliveryTimeoutMs: toMs(deliveryTimeout ?? '2m'),
      fencingToken,
      room: (bytes) => this.#buffers.take(bytes),
      link: (address) => this.#link(address),
      fenced: (error) => {
        this.#fenced ??= error;
      },
      decided: (batch, error) => this.#decided(batch, error),
      delayed: (delay) => this.#delayed(delay),
    });
    this.#senders.set(partition, sender);
    return sender;
  }

  #link(address: string): AppendLink {
    const known = this.#links.get(address);
    if (known !== undefined && !known.isClosing) return known;
    const channel = this.#ports.connections.to(address, 'data');
    const link: AppendLink = new AppendLink(channel, this.#ports, {
      onRoom: () => this.#resume(),
      onEnd: () => {
        if (this.#links.get(address) === link) this.#links.delete(address);
      },
    });
    this.#links.set(address, link);
    return link;
  }

  #resume(): void {
    for (const sender of this.#senders.values()) sender.resume();
  }

  #decided(batch: OutgoingBatch, error: SendFailed | undefined): void {
    this.#undecided -= 1;
    this.#heldBytes -= batch.chargedBytes;
    // Of one that was given up something may still be on its way out.
    this.#buffers.giveBack(batch.roomBytes, error === undefined ? batch.room : undefined);
    if (error !== undefined) this.#losses.add(batch.delivery, error);
    this.#changed.open();
  }

  #delayed(delay: Delay): void {
    try {
      this.#options.onDelay?.(delay);
    } catch (error) {
      this.#ports.logger.warn('the listener of delays threw', { error });
    }
  }
}

const ticketOfLast = ({ delivery, count }: OutgoingBatch): Ticket => delivery.ticket(count - 1);

function unnoticed({ delivery }: OutgoingBatch): true {
  delivery.unnoticed();
  return true;
}

/** What unchecked JavaScript may hand in, and what would spoil the batch of its neighbours. */
function checkedBytes(field: string, bytes: Uint8Array): Uint8Array {
  if (bytes instanceof Uint8Array) return bytes;
  throw faults.invalidRequest(field, 'must be made bytes (Uint8Array) by its codec');
}

function checkedTime(timestampMs: number): number {
  if (Number.isInteger(timestampMs) && timestampMs >= 0 && timestampMs <= timestampMsMax) return timestampMs;
  throw faults.invalidRequest(
    'timestampMs',
    `is ${timestampMs}: milliseconds since 1970, a whole number from 0 to 2^51`,
  );
}

function encodedHeaders(
  headers: NonNullable<OutgoingRecord<unknown, unknown>['headers']>,
): NonNullable<NewRecord['headers']> {
  // An object, and pairs, are what other libraries take, and what unchecked JavaScript may hand in.
  const problem = 'must be a list of { name, value }: name a text, value a text, bytes or null';
  if (!Array.isArray(headers)) throw faults.invalidRequest('headers', problem);
  return headers.map((header) => {
    if (!isHeader(header)) throw faults.invalidRequest('headers', problem);
    const { name, value } = header;
    return { name, value: typeof value === 'string' ? Buffer.from(value) : value };
  });
}

function isHeader(header: unknown): header is { name: string; value: string | Uint8Array | null } {
  if (typeof header !== 'object' || header === null || !('name' in header) || !('value' in header)) return false;
  const { name, value } = header;
  const isValue = value === null || typeof value === 'string' || value instanceof Uint8Array;
  return typeof name === 'string' && isValue;
}

function sizeOf({ key, value, headers = noHeaders }: NewRecord): number {
  let bytes = recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0);
  for (const header of headers) bytes += Buffer.byteLength(header.name) + (header.value?.length ?? 0) + 10;
  return bytes;
}

const isBeyond = <T extends { readonly partition?: number }>(
  record: T,
  topic: Topic | undefined,
): record is T & { readonly partition: number } =>
  topic !== undefined && record.partition !== undefined && record.partition >= topic.partitions.length;

const closed = (): MoldauError => new MoldauError('NOT_SERVING', 'this producer is closed');

const tooLarge = (bytes: number, limit: number): MoldauError =>
  new MoldauError('RECORD_TOO_LARGE', `a record of ${bytes} bytes: the topic takes at most ${limit}`, {
    size_bytes: bytes,
    max_bytes: limit,
  });
