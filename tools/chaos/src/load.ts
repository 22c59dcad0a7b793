import { setTimeout as pause } from 'node:timers/promises';
import type { Consumer, Moldau } from '@moldau/client';
import { Ledger } from './ledger.ts';
import { Standstill } from './standstill.ts';

const everyMs = 5;
/** Longer than anything that a scenario does. */
const deliveryTimeout = '100s';

/** The topic that is written to, and by how many. */
export interface LoadOptions {
  readonly topic: string;
  readonly partitions: number;
  /** Default 3. */
  readonly replicas?: number;
  readonly config?: Readonly<Record<string, string>>;
  /** Default 1. */
  readonly producers?: number;
  /** What every record has beside its name. Default 0. */
  readonly paddingBytes?: number;
  /** Between two records of a producer to each partition. Default 5. */
  readonly everyMs?: number;
}

/**
 * Writes to every partition of a topic and follows all of them, all the time; knows how long each stood still, and in the end
 * whether everything that was acknowledged is there, once and in order.
 */
export class Load {
  readonly topic: string;
  readonly ledger = new Ledger();
  readonly acks: Standstill;
  readonly reads: Standstill;
  readonly #client: Moldau;
  readonly #options: LoadOptions;
  readonly #errors: string[] = [];
  #read = 0;
  #isOn = true;
  #writing: Promise<unknown> = Promise.resolve();
  #following: Promise<void> = Promise.resolve();
  #consumer: Consumer | undefined;

  private constructor(client: Moldau, options: LoadOptions) {
    this.#client = client;
    this.#options = options;
    this.topic = options.topic;
    this.acks = new Standstill(options.partitions);
    this.reads = new Standstill(options.partitions);
  }

  /** Makes the topic, and begins. Resolves when something of every partition was acknowledged and read. */
  static async start(client: Moldau, options: LoadOptions): Promise<Load> {
    const { topic: name, partitions, replicas = 3, config = {}, producers = 1 } = options;
    await client.admin.createTopic({ name, partitions, replicas, config });
    const load = new Load(client, options);
    load.#writing = Promise.all(Array.from({ length: producers }, (_, producer) => load.#write(producer)));
    load.#following = load.#follow();
    // What they end with is told by `finish`.
    load.#writing.catch(() => {});
    load.#following.catch(() => {});
    while (load.#read < partitions * 5) await pause(20);
    load.forget();
    return load;
  }

  /** The longest that any partition has stood still since the last `forget`: without an ack, and without a record read. */
  get gaps(): { readonly ackMs: number; readonly readMs: number } {
    return { ackMs: Math.max(...this.acks.longestMs), readMs: Math.max(...this.reads.longestMs) };
  }

  /** What the users of the client have seen go wrong. */
  get errors(): readonly string[] {
    return [...this.#errors, ...this.ledger.problems];
  }

  forget(): void {
    this.acks.forget();
    this.reads.forget();
  }

  /** Stops, whatever became of it. */
  abandon(): void {
    this.#isOn = false;
    void this.#consumer?.close();
  }

  /** Stops, reads everything from the start, and balances the books. Resolves with how many were acknowledged. */
  async finish(): Promise<number> {
    this.#isOn = false;
    await this.#writing;
    await this.#consumer?.close();
    await this.#following;
    await this.ledger.balance('what the leaders serve', this.#everything());
    return this.ledger.acknowledged;
  }

  async *#everything() {
    for await (const { partition, offset, value } of this.#client.read(this.topic, { until: 'end' }))
      yield { partition, offset, text: value ?? '' };
  }

  async #write(number: number): Promise<void> {
    const { partitions, paddingBytes = 0, everyMs: betweenMs = everyMs } = this.#options;
    const producer = this.#client.producer({ topic: this.topic, linger: '1ms', deliveryTimeout });
    for (let count = 0; this.#isOn; count += 1) {
      for (let partition = 0; partition < partitions; partition += 1) {
        const value = Ledger.text(`${number}.${partition}`, count, paddingBytes);
        const ticket = await producer.push({ value, partition });
        ticket.ack.then(
          ({ offset }) => {
            this.ledger.acked(partition, value, offset);
            this.acks.moved(partition);
          },
          (error: unknown) => this.#errors.push(`${partition}: ${error instanceof Error ? error.message : error}`),
        );
      }
      await pause(betweenMs);
    }
    await producer.close();
  }

  async #follow(): Promise<void> {
    const assignment = Array.from({ length: this.#options.partitions }, (_, partition) => ({
      topic: this.topic,
      partition,
      from: 'start' as const,
    }));
    const consumer = this.#client.consumer({ assignment });
    this.#consumer = consumer;
    for await (const { partition, offset, value } of consumer) {
      this.ledger.read({ partition, offset, text: value ?? '' });
      this.#read += 1;
      this.reads.moved(partition);
    }
  }
}
