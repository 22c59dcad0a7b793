import {
  type Clock,
  faults,
  hasReason,
  jittered,
  type Logger,
  type Millis,
  MoldauError,
  type Offset,
  offset,
  type Random,
  sleep,
  type Timers,
} from '@moldau/kernel';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { BatchBuilder, type Producer } from '@moldau/records';
import type { ClusterView, Connections, Leader } from '@moldau/routing';
import { AppendLink } from './append-link.ts';
import { LogReader } from './read-log.ts';
import type { EncodedRecord } from './shard-kind.ts';
import type { ShardLog } from './shard-log.ts';

/** The world, as the log of a shard sees it. */
export interface ShardLogPorts {
  readonly view: ClusterView;
  readonly connections: Connections;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** A shard's partition, and who wants it. */
export interface ShardPartition {
  readonly topic: string;
  readonly partition: number;
  /** The shard epoch. */
  readonly fencingToken: bigint;
}

const firstPauseMs: Millis = 20;
const lastPauseMs: Millis = 1_000;
/** The next producer comes before sequence numbers are used up. */
const lastSequence = 2 ** 31 - 2 ** 24;
/** Smaller batches are not worth it. */
const compressFromBytes = 4 * 1024;
/** Takes the place of records where only a commit is asked for: replays pass over it, and compaction keeps one. */
const nothing: EncodedRecord = { key: new Uint8Array(0), value: new Uint8Array(0) };

/** The partition of a shard on the storage nodes: found by the view of the cluster, and again wherever it is led next. */
export class PartitionShardLog implements ShardLog {
  readonly #target: ShardPartition;
  readonly #ports: ShardLogPorts;
  readonly #closing = new AbortController();
  #link: AppendLink | undefined;
  /** Who we are in this log, and the sequence number of the next record. */
  #producer: Producer | undefined;
  #pauseMs = firstPauseMs;

  constructor(target: ShardPartition, ports: ShardLogPorts) {
    this.#target = target;
    this.#ports = ports;
  }

  async open(): Promise<Offset> {
    const raisedAt = await this.#insist(async () => {
      this.#producer ??= await this.#newProducer();
      return (await this.#opened()).raisedAt;
    });
    return offset(raisedAt + 1n);
  }

  async read(end: Offset, take: (record: EncodedRecord) => void): Promise<void> {
    const { topic, partition } = this.#target;
    const { connections, timers } = this.#ports;
    const reader = new LogReader(take);
    await this.#insist(() => {
      const { leader, topicId } = this.#leader();
      const channel = connections.to(leader.address, 'data');
      return reader.readFrom(channel, { topic, topicId, partition, end }, timers, this.#closing.signal);
    });
  }

  async append(records: readonly EncodedRecord[]): Promise<void> {
    const outgoing: Outgoing = {
      records: records.length > 0 ? records : [nothing],
      batch: undefined,
      isDoubtful: false,
    };
    try {
      await this.#insist(() => this.#attempt(outgoing), outgoing);
    } catch (error) {
      throw outgoing.isDoubtful ? doubtful(this.#name, error) : error;
    }
    const producer = this.#producer;
    if (producer === undefined) return;
    const baseSequence = producer.baseSequence + outgoing.records.length;
    this.#producer = baseSequence < lastSequence ? { ...producer, baseSequence } : undefined;
  }

  close(): void {
    this.#closing.abort(faults.notServing(this.#name, 'given up'));
    this.#link?.close();
  }

  get #name(): string {
    return `${this.#target.topic}/${this.#target.partition}`;
  }

  /** Sends the batch once more, the same bytes: it lands once. */
  async #attempt(outgoing: Outgoing): Promise<void> {
    const { link } = await this.#opened();
    this.#producer ??= await this.#newProducer();
    outgoing.batch ??= encode(outgoing.records, this.#producer, this.#ports.clock.wallMs());
    let isSent = false;
    try {
      await link.append(outgoing.batch, () => {
        isSent = true;
      });
    } catch (error) {
      // It is there; the leader has forgotten where.
      if (hasReason(error, 'DUPLICATE_SEQUENCE')) return;
      if (isSent && !(error instanceof MoldauError && error.outcome === 'NOT_WRITTEN')) outgoing.isDoubtful = true;
      if (isForgotten(error, outgoing)) {
        this.#producer = undefined;
        outgoing.batch = undefined;
      }
      throw error;
    }
  }

  /** A link whose token is committed. */
  async #opened(): Promise<{ readonly link: AppendLink; readonly raisedAt: Offset }> {
    const { leader, topicId } = this.#leader();
    if (this.#link?.isOpen !== true) {
      const { connections } = this.#ports;
      const { partition, fencingToken } = this.#target;
      const channel = connections.to(leader.address, 'data');
      this.#link = new AppendLink(channel, { topicId, partition, fencingToken }, this.#ports);
    }
    const link = this.#link;
    return { link, raisedAt: await link.opened };
  }

  /** Throws NOT_LEADER while there is none. */
  #leader(): { readonly leader: Leader; readonly topicId: string } {
    const { topic: name, partition } = this.#target;
    const { view } = this.#ports;
    const topic = view.topicByName(name);
    if (topic === undefined) throw faults.unknownTopic(name);
    const leader = view.leader(topic, partition);
    if (leader === undefined) throw faults.notLeader(this.#name, undefined, undefined);
    return { leader, topicId: topic.id };
  }

  async #newProducer(): Promise<Producer> {
    const channel = this.#ports.connections.to(this.#leader().leader.address, 'control');
    const options = { signal: this.#closing.signal };
    const { producerId, producerEpoch } = await channel.unary(LogService.method.initProducer, {}, options);
    return { id: producerId, epoch: producerEpoch, baseSequence: 0 };
  }

  /** Tries until it works, or an error says that it never will. */
  async #insist<T>(attempt: () => T | Promise<T>, outgoing?: Outgoing): Promise<T> {
    const { signal } = this.#closing;
    for (;;) {
      signal.throwIfAborted();
      const { version } = this.#ports.view;
      try {
        const done = await attempt();
        this.#pauseMs = firstPauseMs;
        return done;
      } catch (error) {
        signal.throwIfAborted();
        const isCurable = error instanceof MoldauError && (mayPass(error) || isForgotten(error, outgoing));
        if (!isCurable) throw error;
        this.#ports.logger.debug('an attempt at the log of a shard failed', { shard: this.#name, error });
      }
      await this.#pause(version);
    }
  }

  /** Until the view is newer than `version`, or for a while. */
  async #pause(version: bigint): Promise<void> {
    const { view, timers, random } = this.#ports;
    const { signal } = this.#closing;
    const pauseMs = jittered(random, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, lastPauseMs);
    // However much the view changes, nobody is asked without a pause.
    await sleep(timers, jittered(random, firstPauseMs), signal).catch(() => {});
    await view.reached(version + 1n, pauseMs, signal);
  }
}

/** One batch on its way. */
interface Outgoing {
  readonly records: readonly EncodedRecord[];
  /** Not changed any more once an attempt may have arrived. */
  batch: Uint8Array | undefined;
  isDoubtful: boolean;
}

function encode(records: readonly EncodedRecord[], producer: Producer, timestampMs: Millis): Uint8Array {
  const builder = new BatchBuilder();
  for (const { key, value } of records) builder.add({ key, value, timestampMs });
  return builder.build(builder.sizeBytes < compressFromBytes ? 'none' : 'lz4', producer);
}

/** Another leader, newer metadata or time can help: of nodes that do not know the topic yet, too. */
const mayPass = ({ retriable, reason }: MoldauError): boolean =>
  retriable || reason === 'UNKNOWN_TOPIC' || reason === 'UNKNOWN_PARTITION';

/** The leader has forgotten who we are, for we have long written nothing. What it never took goes under a new producer. */
const isForgotten = (error: unknown, outgoing: Outgoing | undefined): boolean =>
  outgoing?.isDoubtful === false && hasReason(error, 'UNKNOWN_PRODUCER');

const doubtful = (name: string, cause: unknown): MoldauError =>
  new MoldauError(
    'LEADERSHIP_LOST',
    `${name} was lost while a batch was being written: it may be there`,
    {},
    { cause },
  );
