import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  codec,
  type GroupConsumer,
  type GroupRecord,
  type Moldau,
  type Place,
  type TopicPartition,
} from '@moldau/client';
import { type Clock, faults, Gate, type Millis, type MoldauError, repeat, sleep, type Timers } from '@moldau/kernel';
import type {
  SubscribeAck,
  SubscribeRequest,
  SubscribeResponseSchema,
  SubscribeStart,
} from '@moldau/proto/moldau/group/v1/subscription_pb';
import type { Position } from '@moldau/proto/moldau/log/v1/record_pb';
import { type Session, toWireError } from '@moldau/rpc';
import { Window } from './window.ts';

type Response = MessageInitShape<typeof SubscribeResponseSchema>;
type Stream = Session<Response, SubscribeRequest>;
type Binary = GroupRecord<Uint8Array, Uint8Array>;

/** What a subscription works with. */
export interface SubscriptionPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  /** The error that may leave the process. */
  readonly seal: (error: unknown) => MoldauError;
  /** Says how many bytes the subscription keeps: whoever keeps most is ended when there is no room. */
  readonly keeps: (bytes: number) => void;
  /** Takes a place for it. Throws OVERLOADED when there is none. */
  readonly admit: () => void;
}

const heartbeatEveryMs: Millis = 2_000;
/** Whoever has not started by then does not want to. */
const startWithinMs: Millis = 10_000;
/** It may have fetched more meanwhile. */
const weighEveryMs: Millis = 500;
/** What is read ahead for a subscriber. Its window is what it has itself, and costs nothing here. */
const bufferBytes = 256 * 1024;
/** Records of one frame. */
const recordsMax = 500;
const maxWaitMs: Millis = 10;
/** Whoever leaves waits no longer for its last commit. */
const lastCommitMs: Millis = 5_000;
/** So many acknowledgements go into one commit, at the latest after this time. */
const commitAfterMs: Millis = 50;
const windowDefaultBytes = 1024 * 1024;
const windowMaxBytes = 64 * 1024 * 1024;
const revokeDefaultMs: Millis = 30_000;

/** One subscriber, and the member of a group that stands for it. */
export class Subscription {
  readonly #session: Stream;
  readonly #client: Moldau;
  readonly #ports: SubscriptionPorts;
  readonly #acked = new Gate();
  #consumer: GroupConsumer<Uint8Array, Uint8Array> | undefined;
  #window = new Window(windowDefaultBytes);
  #revokeTimeoutMs = revokeDefaultMs;
  /** Acknowledged, and on its way to be committed. */
  #uncommitted = new Map<string, TopicPartition & { readonly offset: bigint }>();
  #committing: Promise<void> | undefined;
  /** What is acknowledged of these may be late; of others it is a mistake. */
  readonly #everAssigned = new Set<string>();
  #isEnding = false;

  constructor(session: Stream, client: Moldau, ports: SubscriptionPorts) {
    this.#session = session;
    this.#client = client;
    this.#ports = ports;
  }

  /** Serves the stream to its end, which leaves the group. Throws what the subscriber is to be told. */
  async run(): Promise<void> {
    const { incoming, signal } = this.#session;
    const wake = (): void => this.#acked.open();
    signal.addEventListener('abort', wake, { once: true });
    const { timers, keeps } = this.#ports;
    const cancelHeartbeat = repeat(timers, heartbeatEveryMs, () => this.#say({ case: 'heartbeat', value: {} }));
    const cancelWeighing = repeat(timers, weighEveryMs, () => keeps(this.#consumer?.bufferedBytes ?? 0));
    const cancelStart = timers.after(startWithinMs, () => {
      if (this.#consumer !== undefined) return;
      this.#session.cancel(faults.invalidRequest('start', `did not come within ${startWithinMs} ms`));
    });
    let sending: Promise<void> | undefined;
    try {
      for await (const { frame } of incoming) {
        if (frame.case === 'start') {
          if (this.#consumer !== undefined) throw faults.invalidRequest('start', 'comes a second time');
          this.#ports.admit();
          this.#consumer = this.#begin(frame.value);
          sending = this.#send(this.#consumer);
          sending.catch((error: unknown) => this.#session.cancel(this.#ports.seal(error)));
        } else if (this.#consumer === undefined) throw faults.invalidRequest('frame', 'comes before a start');
        else if (frame.case === 'ack') this.#ack(this.#consumer, frame.value);
      }
    } finally {
      cancelStart();
      cancelHeartbeat();
      cancelWeighing();
      await this.stop();
    }
    await sending;
    this.#session.end();
  }

  /** Asks the subscriber to come again elsewhere. */
  drain(graceMs: Millis): void {
    this.#say({ case: 'drain', value: { graceMs } });
  }

  /** Commits what was acknowledged, and leaves the group. */
  async stop(): Promise<void> {
    this.#isEnding = true;
    this.#acked.open();
    if (this.#consumer === undefined) return;
    // A coordinator that is away is not waited for: what is not committed comes again.
    const over = new AbortController();
    const tooLong = sleep(this.#ports.timers, lastCommitMs, over.signal).catch(() => {});
    await Promise.race([this.#commitNow(this.#consumer), tooLong]);
    over.abort();
    await this.#consumer.close();
  }

  #begin(start: SubscribeStart): GroupConsumer<Uint8Array, Uint8Array> {
    const { group, topics, topicRegex, instanceId, rack, assignor, from, windowBytes, revokeTimeoutMs } = start;
    if (windowBytes > windowMaxBytes)
      throw faults.invalidRequest('window_bytes', `is ${windowBytes}: at most ${windowMaxBytes}`);
    if (assignor !== '' && assignor !== 'uniform' && assignor !== 'range')
      throw faults.invalidRequest('assignor', `is ${JSON.stringify(assignor)}: one of uniform, range`);
    if (windowBytes > 0) this.#window = new Window(windowBytes);
    if (revokeTimeoutMs > 0) this.#revokeTimeoutMs = revokeTimeoutMs;
    const consumer = this.#client.consumer({
      group,
      topics,
      key: codec.bytes,
      value: codec.bytes,
      commit: 'manual',
      from: placeOf(from),
      buffer: Math.min(bufferBytes, this.#window.limitBytes),
      rack,
      revokeTimeout: this.#revokeTimeoutMs,
      ...(topicRegex !== undefined && { pattern: topicRegex }),
      ...(instanceId !== undefined && { instanceId }),
      ...(assignor !== '' && { assignor }),
    });
    consumer.on('assigned', ({ partitions }) => {
      for (const { topic, partition } of partitions) this.#everAssigned.add(`${topic}/${partition}`);
      this.#say({ case: 'assigned', value: { partitions: [...partitions] } });
    });
    consumer.on('revoked', ({ partitions }) => this.#revoked(consumer, partitions));
    consumer.on('lost', ({ partitions }) => {
      for (const partition of partitions) this.#window.forget(partition);
      this.#acked.open();
      this.#say({ case: 'lost', value: { partitions: [...partitions] } });
    });
    return consumer;
  }

  /** Sends records for as long as there is room in the window. */
  async #send(consumer: GroupConsumer<Uint8Array, Uint8Array>): Promise<void> {
    for await (const { records } of consumer.batches({ maxRecords: recordsMax, maxWait: maxWaitMs })) {
      for (const part of runsOf(records)) await this.#sendSome(part);
      if (this.#isEnding) return;
    }
  }

  /** Records of one partition: as many at a time as the window and a frame take. */
  async #sendSome(records: readonly Binary[]): Promise<void> {
    let part: Binary[] = [];
    let partBytes = 0;
    for (const record of records) {
      const bytes = sizeOf(record);
      if (part.length > 0 && partBytes + bytes > Math.min(frameBytes, this.#window.roomBytes)) {
        this.#records(part);
        part = [];
        partBytes = 0;
      }
      while (part.length === 0 && !this.#window.hasRoomFor(bytes)) {
        if (this.#isEnding || record.signal.aborted || this.#session.signal.aborted) return;
        await this.#acked.wait();
      }
      // It comes again, from whoever has the partition then.
      if (record.signal.aborted) return;
      part.push(record);
      partBytes += bytes;
    }
    this.#records(part);
    await this.#session.drained();
  }

  #records(records: readonly Binary[]): void {
    const [first] = records;
    const last = records.at(-1);
    if (first === undefined || last === undefined || this.#isEnding) return;
    const { topic, partition } = first;
    const nextOffset = last.offset + 1n;
    const bytes = records.reduce((sum, record) => sum + sizeOf(record), 0);
    this.#window.sent(first, nextOffset, bytes);
    this.#say({ case: 'records', value: { topic, partition, nextOffset, records: records.map(toWire) } });
  }

  #ack(consumer: GroupConsumer<Uint8Array, Uint8Array>, { topic, partition, nextOffset }: SubscribeAck): void {
    const at = { topic, partition };
    if (nextOffset < 0n || !this.#everAssigned.has(`${topic}/${partition}`)) {
      const error = faults.invalidRequest(
        'ack',
        `of ${topic}/${partition} to ${nextOffset} is of nothing that was sent`,
      );
      return this.#say({ case: 'commitFailed', value: toWireError(error) });
    }
    const verdict = this.#window.acked(at, nextOffset);
    if (verdict === 'beyond') {
      const error = faults.invalidRequest(
        'next_offset',
        `is ${nextOffset}: ${topic}/${partition} was sent below that only`,
      );
      return this.#say({ case: 'commitFailed', value: toWireError(error) });
    }
    if (verdict === 'nothing') return;
    this.#uncommitted.set(`${topic}/${partition}`, { ...at, offset: nextOffset });
    this.#acked.open();
    this.#committing ??= this.#commitSoon(consumer).finally(() => {
      this.#committing = undefined;
    });
  }

  async #commitSoon(consumer: GroupConsumer<Uint8Array, Uint8Array>): Promise<void> {
    // What is acknowledged while a commit is on its way is for the next one.
    while (this.#uncommitted.size > 0) {
      await new Promise<void>((resolve) => this.#ports.timers.after(commitAfterMs, resolve));
      await this.#commitNow(consumer);
    }
  }

  /** Everything that was acknowledged. What is on its way already the consumer waits for itself. */
  async #commitNow(consumer: GroupConsumer<Uint8Array, Uint8Array>): Promise<void> {
    const positions = [...this.#uncommitted.values()];
    this.#uncommitted = new Map();
    if (positions.length === 0) return;
    try {
      await consumer.commit(positions);
      const committed = positions.map(({ topic, partition, offset }) => ({ topic, partition, nextOffset: offset }));
      this.#say({ case: 'committed', value: { positions: committed } });
    } catch (error) {
      this.#say({ case: 'commitFailed', value: toWireError(this.#ports.seal(error)) });
    }
  }

  /** Resolves when all that was sent of them is acknowledged and committed. The consumer waits no longer than the subscriber may take. */
  async #revoked(
    consumer: GroupConsumer<Uint8Array, Uint8Array>,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    const timeoutMs = this.#revokeTimeoutMs;
    this.#say({ case: 'revoked', value: { partitions: [...partitions], timeoutMs } });
    // What waits for room is not sent any more.
    this.#acked.open();
    const endMs = this.#ports.clock.monotonicMs() + timeoutMs;
    const cancel = this.#ports.timers.after(timeoutMs, () => this.#acked.open());
    const isOver = (): boolean => this.#isEnding || this.#ports.clock.monotonicMs() >= endMs;
    while (!isOver() && partitions.some((partition) => this.#window.owes(partition))) await this.#acked.wait();
    cancel();
    await this.#commitNow(consumer);
    for (const partition of partitions) this.#window.forget(partition);
    this.#acked.open();
  }

  #say(frame: NonNullable<Response['frame']>): void {
    this.#session.send({ frame });
  }
}

/** Of the records of one frame, as far as they are not one. */
const frameBytes = 256 * 1024;
/** What a record takes beside its key, value and headers. */
const recordExtraBytes = 32;

function sizeOf({ key, value, headers }: Binary): number {
  const headerBytes = headers.reduce((sum, header) => sum + header.name.length + (header.value?.length ?? 0), 0);
  return recordExtraBytes + (key?.length ?? 0) + (value?.length ?? 0) + headerBytes;
}

const toWire = ({ key, value, headers, timestampMs, offset }: Binary) => ({
  ...(key !== null && { key }),
  ...(value !== null && { value }),
  headers: headers.map((header) => ({ name: header.name, ...(header.value !== null && { value: header.value }) })),
  timestampMs: BigInt(timestampMs),
  offset,
});

/** Neighbours of one partition, together. */
function runsOf(records: readonly Binary[]): Binary[][] {
  const runs: Binary[][] = [];
  for (const record of records) {
    const run = runs.at(-1);
    const [first] = run ?? [];
    if (run !== undefined && first?.topic === record.topic && first.partition === record.partition) run.push(record);
    else runs.push([record]);
  }
  return runs;
}

function placeOf(position: Position | undefined): Place {
  const at = position?.at;
  switch (at?.case) {
    case 'earliest':
      return 'start';
    case 'latest':
    case undefined:
      return 'end';
    case 'offset':
      return { offset: at.value };
    case 'timestampMs':
      return { timestamp: Number(at.value) };
    case 'beforeLatest':
      return { beforeEnd: at.value };
  }
}
