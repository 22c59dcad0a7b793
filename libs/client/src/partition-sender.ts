import { formatDuration } from '@moldau/config/values';
import { assert, type CancelTimer, faults, jittered, type Millis, MoldauError, type Offset } from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import type { Compression, NewRecord } from '@moldau/records';
import type { AppendLink, LinkHandle } from './append-link.ts';
import type { ClientPorts } from './client-ports.ts';
import { type Delay, Delays } from './delays.ts';
import { OutgoingBatch } from './outgoing-batch.ts';
import type { SendFailed } from './send-failed.ts';

interface Identity {
  readonly id: bigint;
  readonly epoch: number;
}

/** What the senders of one producer share. */
export interface SenderContext {
  readonly topic: string;
  readonly compression: Compression;
  readonly lingerMs: number;
  readonly batchBytes: number;
  readonly idempotent: boolean;
  /** Who has a lower one, or none, writes nothing any more where this one has written. */
  readonly fencingToken: bigint | undefined;
  /** How long a record may take in all, every attempt included. */
  readonly deliveryTimeoutMs: number;
  /** Where the next batch is encoded, which is likely to take so much: it grows beyond that if it must. */
  room(bytes: number): Buffer;
  /** A link to this address that takes new entries. */
  link(address: string): AppendLink;
  /** Somebody with a higher fencing token has taken over. */
  fenced(error: MoldauError): void;
  /** A batch is decided: its memory is free. */
  decided(batch: OutgoingBatch, error: SendFailed | undefined): void;
  /** Attempts have failed for a while, and go on. */
  delayed(delay: Delay): void;
}

/** More batches than this are never unacknowledged: the duplicate check of a leader reaches back so far. */
const maxInFlight = 5;
/** What the first batch of a partition is likely to take. */
const firstBatchBytes = 16 * 1024;
const firstPauseMs = 20;
const lastPauseMs = 1_000;

/**
 * Sends the batches of one partition, in order. The first `#sent` of the queue are in flight. When one of them fails,
 * nothing more is sent until all of them are answered (a leader fails whatever follows a failure); then the queue is sent
 * again from its head. A batch of which an attempt may have been written is repeated only under its own producer epoch
 * and sequence, so it lands once.
 *
 * Each partition has a producer id of its own: an epoch that must be given up concerns no other partition.
 */
export class PartitionSender {
  readonly partition: number;
  readonly #ports: ClientPorts;
  readonly #context: SenderContext;
  #filling: OutgoingBatch | undefined;
  /** What the last batch took. */
  #lastBytes = firstBatchBytes;
  #cancelLinger: CancelTimer | undefined;
  #lingered = false;
  #queue: OutgoingBatch[] = [];
  #sent = 0;
  #unanswered = 0;
  #identity: Identity | undefined;
  /** An identity whose epoch had to be given up: the next one continues it. */
  #spent: Identity | undefined;
  #nextSequence = 0;
  #handle: { readonly link: AppendLink; readonly open: LinkHandle } | undefined;
  /** Something must be waited for before the next attempt: answers, a pause, metadata, a producer id. */
  #held = false;
  #trouble: MoldauError | undefined;
  #pauseMs = firstPauseMs;
  readonly #delays: Delays;
  /** Why nobody could be asked for the leader. `undefined`: somebody was. */
  #unasked: MoldauError | undefined;
  #cancelRoomTimer: CancelTimer | undefined;
  /** Given up by its user: what is still answered concerns nobody. */
  #abandoned = false;

  constructor(partition: number, ports: ClientPorts, context: SenderContext) {
    this.partition = partition;
    this.#ports = ports;
    this.#context = context;
    this.#delays = new Delays(ports, (error, waitedMs) =>
      context.delayed({ partition, error, waitedMs, deliveryTimeoutMs: context.deliveryTimeoutMs }),
    );
  }

  /** Takes a record that counts for so many bytes; the batch that has it, as its last one. */
  add(record: NewRecord, chargedBytes: number): OutgoingBatch {
    const filling = this.#filling;
    const batch =
      filling ??
      new OutgoingBatch(this.partition, this.#context.room(this.#lastBytes), this.#ports.clock.monotonicMs());
    batch.add(record, chargedBytes);
    this.#filling = batch;
    if (batch.sizeBytes >= this.#context.batchBytes) this.#close();
    else if (filling === undefined) this.#linger();
    return batch;
  }

  /** Whether a batch is closed and not decided. */
  get isUnderway(): boolean {
    return this.#queue.length > 0;
  }

  /** Whether a record of this size still goes into the batch that is being filled. */
  fits(recordBytes: number): boolean {
    return this.#filling === undefined || this.#filling.sizeBytes + recordBytes <= this.#context.batchBytes;
  }

  /** Sends what is there without waiting for more. */
  flush(): void {
    if (this.#filling !== undefined) this.#close();
  }

  /** Fails everything that is not decided. */
  abandon(error: MoldauError): void {
    this.#abandoned = true;
    this.flush();
    this.#cancelRoomTimer?.();
    for (const batch of this.#queue.slice(0, this.#sent)) batch.doubt();
    this.#failAll(error);
  }

  /** Goes on sending: there is room on a link again. */
  resume(): void {
    this.#pump();
  }

  #linger(): void {
    this.#lingered = false;
    this.#cancelLinger = this.#ports.timers.after(this.#context.lingerMs, () => {
      this.#lingered = true;
      this.#pump();
    });
  }

  #close(): void {
    assert(this.#filling !== undefined, 'there is a batch to close');
    this.#cancelLinger?.();
    this.#enqueue(this.#filling);
    this.#pump();
  }

  #enqueue(batch: OutgoingBatch): void {
    this.#lastBytes = batch.sizeBytes;
    this.#queue.push(batch);
    this.#filling = undefined;
  }

  #pump(): void {
    this.#cancelRoomTimer?.();
    this.#cancelRoomTimer = undefined;
    if (this.#held || this.#abandoned) return;
    // A batch that has lingered long enough goes when there is a place for it, and fills up until then.
    if (this.#filling !== undefined && this.#lingered && this.#queue.length < maxInFlight) {
      this.#lingered = false;
      this.#enqueue(this.#filling);
    }
    while (this.#sent < this.#queue.length && this.#sent < maxInFlight) {
      const handle = this.#openHandle();
      if (handle === undefined && this.#unanswered > 0) return;
      if (handle === undefined) return this.#hold(() => this.#locate());
      if (this.#context.idempotent && this.#identity === undefined)
        return this.#hold(() => this.#identify(handle.link));
      if (!handle.link.hasRoom) return this.#awaitRoom();
      this.#send(handle.link, handle.open, this.#queue[this.#sent]);
    }
  }

  /** `resume` ends this wait; so does the deadline of the batch that waits longest, when nothing is in flight. */
  #awaitRoom(): void {
    const head = this.#queue[0];
    if (head === undefined) return;
    this.#cancelRoomTimer = this.#ports.timers.after(this.#leftMs(head), () => {
      this.#cancelRoomTimer = undefined;
      const late = this.#queue[0];
      if (this.#held || this.#abandoned || this.#unanswered > 0 || late === undefined) return;
      if (!this.#isOverdue(late)) return this.#pump();
      this.#hold(() => this.#recover(this.#delays.lastError ?? this.#noAnswer(late)));
    });
  }

  #send(link: AppendLink, open: LinkHandle, batch: OutgoingBatch | undefined): void {
    assert(batch !== undefined, 'there is a batch to send');
    const identity = this.#identity;
    const isFresh = batch.sequence === undefined;
    const producer = identity && { ...identity, baseSequence: batch.sequence ?? this.#nextSequence };
    const bytes = batch.encode(this.#context.compression, producer);
    if (isFresh) this.#nextSequence = (this.#nextSequence + batch.count) % 2 ** 31;
    this.#sent += 1;
    this.#unanswered += 1;
    link.send(open, bytes, Math.ceil(Math.max(1, Math.min(this.#leftMs(batch), 60_000))), (error, baseOffset) => {
      this.#unanswered -= 1;
      if (this.#abandoned) return;
      if (error === undefined || error.reason === 'DUPLICATE_SEQUENCE') this.#succeed(batch, baseOffset);
      else this.#fail(batch, error);
    });
  }

  #succeed(batch: OutgoingBatch, baseOffset: bigint | undefined): void {
    // It may stand behind one that timed out: that one is written too, and its repetition will say where.
    if (this.#queue[0] === batch) this.#queue.shift();
    else this.#queue = this.#queue.filter((queued) => queued !== batch);
    this.#sent -= 1;
    this.#pauseMs = firstPauseMs;
    this.#delays.end();
    batch.delivery.succeed(baseOffset as Offset | undefined);
    this.#context.decided(batch, undefined);
    this.#afterAnswer();
  }

  #fail(batch: OutgoingBatch, error: MoldauError): void {
    if (error.outcome === 'UNKNOWN') batch.doubt();
    this.#trouble ??= error;
    this.#held = true;
    this.#afterAnswer();
  }

  #afterAnswer(): void {
    const trouble = this.#trouble;
    if (trouble === undefined) return this.#pump();
    if (this.#unanswered > 0) return;
    this.#trouble = undefined;
    this.#sent = 0;
    this.#dropHandle();
    this.#hold(() => this.#recover(trouble));
  }

  /** Runs something that must end before the next attempt. Its failure is the failure of what waits. */
  #hold(step: () => Promise<void>): void {
    this.#held = true;
    step().then(
      () => {
        this.#held = false;
        this.#pump();
      },
      (error: unknown) => {
        this.#held = false;
        this.#failAll(
          error instanceof MoldauError ? error : new MoldauError('INTERNAL', String(error), {}, { cause: error }),
        );
      },
    );
  }

  /** Every attempt is answered, and the head of the queue failed with `trouble`: what now? */
  async #recover(trouble: MoldauError): Promise<void> {
    const head = this.#queue[0];
    if (head === undefined) return;
    const mayRepeat = this.#context.idempotent || !head.isDoubtful;
    const wantsRepeating = mayRepeat && isCurable(trouble);
    if (!wantsRepeating || this.#isOverdue(head)) {
      const isProducerGone = trouble.reason === 'UNKNOWN_PRODUCER' && !head.isDoubtful;
      if (!isProducerGone) this.#give(head, wantsRepeating ? this.#late(head, trouble) : trouble);
      if (trouble.reason === 'FENCED_TOKEN') this.#context.fenced(trouble);
      if (trouble.reason === 'PRODUCER_FENCED' || trouble.reason === 'FENCED_TOKEN') throw trouble;
      return this.#renewEpoch(trouble);
    }
    this.#delays.note(trouble);
    await this.#pause(trouble.retryAfterMs);
    await this.#refresh();
  }

  /**
   * Something is missing in the sequence, or the leader does not know the producer: a new epoch begins. What may be
   * written under the old one is never sent under the new one.
   */
  #renewEpoch(trouble: MoldauError): void {
    for (const batch of [...this.#queue]) {
      if (batch.isDoubtful) this.#give(batch, trouble);
      else batch.forgetSequence();
    }
    this.#spendIdentity();
  }

  #spendIdentity(): void {
    this.#spent = this.#identity ?? this.#spent;
    this.#identity = undefined;
  }

  /** Asks the node that leads: a new producer id, or the next epoch of the one that is spent. */
  async #identify({ address }: AppendLink): Promise<void> {
    const { connections, timeoutMs } = this.#ports;
    const spent = this.#spent;
    const request = spent === undefined ? {} : { producerId: spent.id, producerEpoch: spent.epoch };
    try {
      const channel = connections.to(address, 'control');
      const { producerId, producerEpoch } = await channel.unary(LogService.method.initProducer, request, { timeoutMs });
      this.#identity = { id: producerId, epoch: producerEpoch };
      this.#nextSequence = 0;
    } catch (error) {
      if (!(error instanceof MoldauError)) throw error;
      this.#dropHandle();
      await this.#recover(
        beforeAnySend(error, `the producer id for ${this.#name} did not come in time from ${address}`),
      );
    }
  }

  #openHandle(): { readonly link: AppendLink; readonly open: LinkHandle } | undefined {
    if (this.#handle !== undefined && !this.#handle.link.isClosing) return this.#handle;
    if (this.#unanswered > 0) return undefined;
    const { metadata } = this.#ports;
    const leader = metadata.leader(this.#context.topic, this.partition);
    const topicId = metadata.known(this.#context.topic)?.id;
    if (leader === undefined || topicId === undefined) return undefined;
    const link = this.#context.link(leader.address);
    const { fencingToken } = this.#context;
    const target = {
      topicId,
      partition: this.partition,
      epoch: leader.epoch,
      ...(fencingToken !== undefined && { fencingToken }),
    };
    const open = link.open(target, (error) => this.#moved(open, error));
    this.#handle = { link, open };
    return this.#handle;
  }

  #moved(open: LinkHandle, error: MoldauError): void {
    if (this.#handle?.open !== open) return;
    if (this.#unanswered > 0) {
      // What is in flight may be answered by HANDLE_CLOSED: this is why, and what its user can act on.
      this.#trouble ??= error;
      this.#held = true;
      return;
    }
    this.#dropHandle();
    if (!this.#held) this.#hold(() => this.#recover(error));
  }

  #dropHandle(): void {
    this.#handle?.link.close(this.#handle.open);
    this.#handle = undefined;
  }

  /** No leader is known: asks for one until there is, or the head of the queue is overdue. */
  async #locate(): Promise<void> {
    const head = this.#queue[0];
    const trouble = this.#unasked ?? faults.notLeader(this.#name, undefined, undefined);
    if (head !== undefined && this.#isOverdue(head)) {
      this.#give(head, this.#late(head, trouble));
      return this.#renewEpoch(trouble);
    }
    this.#delays.note(trouble);
    await this.#pause(undefined);
    await this.#refresh();
  }

  async #refresh(): Promise<void> {
    const { metadata, timeoutMs } = this.#ports;
    try {
      await metadata.refresh(this.#context.topic, { autoCreate: false, timeoutMs });
      this.#unasked = undefined;
    } catch (error) {
      // Out of reach: the batches have time left.
      if (!(error instanceof MoldauError) || !error.retriable) throw error;
      this.#unasked = beforeAnySend(error, `the metadata of ${this.#context.topic} did not come in time`);
    }
  }

  async #pause(retryAfterMs: number | undefined): Promise<void> {
    const { random, timers } = this.#ports;
    const pauseMs = retryAfterMs ?? jittered(random, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, lastPauseMs);
    await new Promise<void>((resolve) => timers.after(pauseMs, resolve));
  }

  get #name(): string {
    return `${this.#context.topic}/${this.partition}`;
  }

  /** Why a batch is given up that was tried to the end of its time: what the last attempt failed with. */
  #late(batch: OutgoingBatch, last: MoldauError): MoldauError {
    const limit = formatDuration(this.#context.deliveryTimeoutMs);
    const fate = batch.isDoubtful ? 'it may be written' : 'it is not written';
    return new MoldauError(last.reason, `${last.message} (given up after ${limit}: ${fate})`, last.fields, {
      cause: last,
    });
  }

  #noAnswer({ isDoubtful }: OutgoingBatch): MoldauError {
    return faults.timedOut(this.#name, this.#context.deliveryTimeoutMs, isDoubtful ? 'UNKNOWN' : 'NOT_WRITTEN');
  }

  #leftMs({ createdAt }: OutgoingBatch): Millis {
    return createdAt + this.#context.deliveryTimeoutMs - this.#ports.clock.monotonicMs();
  }

  /** By the same sum as the wait for it: of two, one may round the other way, and wait without end. */
  #isOverdue(batch: OutgoingBatch): boolean {
    return this.#leftMs(batch) <= 0;
  }

  #failAll(error: MoldauError): void {
    for (const batch of [...this.#queue]) this.#give(batch, error);
    // Some of their sequences may be missing for ever.
    this.#spendIdentity();
    this.#sent = 0;
    this.#dropHandle();
  }

  /** Gives a batch up. */
  #give(batch: OutgoingBatch, error: MoldauError): void {
    this.#queue = this.#queue.filter((queued) => queued !== batch);
    if (this.#queue.length === 0) this.#delays.end();
    this.#context.decided(batch, batch.fail(error));
  }
}

/** Of a call that a record waits for: that its own outcome is unknown says nothing of the record. */
const beforeAnySend = (error: MoldauError, text: string): MoldauError =>
  error.reason === 'TIMED_OUT' ? new MoldauError(error.reason, text, error.fields, { cause: error }) : error;

/** Whether newer metadata, another node or time can help. */
const isCurable = ({ retriable, reason }: MoldauError): boolean =>
  retriable || reason === 'FENCED_EPOCH' || reason === 'UNKNOWN_TOPIC';
