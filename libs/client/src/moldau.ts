import { type Clock, faults, type Logger, type Millis, type Random, silentLogger, type Timers } from '@moldau/kernel';
import { Bootstrap, Connections, MetadataCache } from '@moldau/routing';
import type { Dialer } from '@moldau/rpc';
import { Admin } from './admin.ts';
import type { ClientPorts } from './client-ports.ts';
import { Consumer, type ConsumerOptions } from './consumer.ts';
import { GroupConsumer } from './group/group-consumer.ts';
import type { GroupConsumerOptions } from './group/group-options.ts';
import { Producer, type ProducerOptions } from './producer.ts';
import { type ReadOptions, readTopic } from './read.ts';
import type { ConsumedRecord } from './records-of.ts';

/** What a client is built on: sockets and the real time in an application, simulated ones in a test. */
export interface ConnectPorts {
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
}

/** A client of one cluster. Connects when it is used; every part of it may be used at the same time. */
export class Moldau implements AsyncDisposable {
  readonly admin: Admin;
  readonly #ports: ClientPorts;
  #isClosed = false;

  constructor(
    endpoints: readonly string[],
    timeoutMs: Millis,
    { dialer, clock, timers, random, logger = silentLogger }: ConnectPorts,
  ) {
    const connections = new Connections(dialer);
    const bootstrap = new Bootstrap(endpoints, { connections, clock, timers, random });
    const metadata = new MetadataCache(bootstrap);
    this.#ports = { bootstrap, connections, metadata, clock, timers, random, logger, timeoutMs, reading: new Set() };
    this.admin = new Admin(this.#ports);
  }

  /** A writer of one topic. Close it, or what it holds is lost. Throws INVALID_REQUEST when an option is out of its bounds. */
  producer<K = string, V = string>(options: ProducerOptions<K, V>): Producer<K, V> {
    return new Producer(this.#open, options);
  }

  /**
   * With a `group`: a member of it, which shares the partitions of its topics with the others; close it. Without one: a reader by
   * assignment. Throws INVALID_REQUEST when there is nothing to read, or an option is none.
   */
  consumer<K = string, V = string>(options: GroupConsumerOptions<K, V>): GroupConsumer<K, V>;
  consumer<K = string, V = string>(options: ConsumerOptions<K, V>): Consumer<K, V>;
  consumer<K, V>(options: ConsumerOptions<K, V> | GroupConsumerOptions<K, V>): Consumer<K, V> | GroupConsumer<K, V> {
    if (isInGroup(options))
      return new GroupConsumer(this.#open, options, this.admin, (wanted) => this.producer(wanted));
    return new Consumer(this.#open, options);
  }

  /** Reads a topic from a place to a place. */
  read<K = string, V = string>(topic: string, options: ReadOptions<K, V> = {}): AsyncGenerator<ConsumedRecord<K, V>> {
    return readTopic(topic, options, this.#open, this.admin);
  }

  get #open(): ClientPorts {
    if (this.#isClosed) throw faults.invalidRequest('client', 'is closed: connect again');
    return this.#ports;
  }

  /** Ends every loop as the `close` of its consumer does, and closes the connections. Close producers first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const { reading, connections } = this.#ports;
    // Why one of them could not end well is for those who close it themselves.
    await Promise.allSettled([...reading].map(async (one) => one.close()));
    connections.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const isInGroup = <K, V>(
  options: ConsumerOptions<K, V> | GroupConsumerOptions<K, V>,
): options is GroupConsumerOptions<K, V> =>
  typeof options === 'object' && 'group' in options && options.group !== undefined;
