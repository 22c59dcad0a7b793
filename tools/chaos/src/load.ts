import { setTimeout as pause } from 'node:timers/promises';
import type { Consumer, Moldau } from '@moldau/client';

const everyMs = 5;

/**
 * Writes to every partition of a topic and follows all of them, all the time; knows how long each stood still, and in the end
 * whether everything that was acknowledged is there, once and in order.
 */
export class Load {
  readonly #client: Moldau;
  readonly #topic: string;
  readonly #partitions: number;
  readonly #acknowledged = new Map<string, string>();
  readonly #lastAckAt: number[];
  readonly #lastReadAt: number[];
  readonly #errors: string[] = [];
  #ackGapMs = 0;
  #readGapMs = 0;
  #read = 0;
  #isOn = true;
  #writing: Promise<void> = Promise.resolve();
  #following: Promise<void> = Promise.resolve();
  #consumer: Consumer | undefined;

  private constructor(client: Moldau, topic: string, partitions: number) {
    this.#client = client;
    this.#topic = topic;
    this.#partitions = partitions;
    const now = performance.now();
    this.#lastAckAt = Array<number>(partitions).fill(now);
    this.#lastReadAt = Array<number>(partitions).fill(now);
  }

  /** Makes the topic, and begins. Resolves when something of every partition was acknowledged and read. */
  static async start(client: Moldau, topic: string, partitions: number): Promise<Load> {
    await client.admin.createTopic({ name: topic, partitions });
    const load = new Load(client, topic, partitions);
    load.#writing = load.#write();
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
    const now = performance.now();
    const open = (since: readonly number[]): number => Math.max(...since.map((at) => now - at));
    return {
      ackMs: Math.round(Math.max(this.#ackGapMs, open(this.#lastAckAt))),
      readMs: Math.round(Math.max(this.#readGapMs, open(this.#lastReadAt))),
    };
  }

  /** What the users of the client have seen go wrong. */
  get errors(): readonly string[] {
    return this.#errors;
  }

  forget(): void {
    this.#ackGapMs = 0;
    this.#readGapMs = 0;
  }

  /** Stops, reads everything from the start, and balances the books. Resolves with how many were acknowledged. */
  async finish(): Promise<number> {
    this.#isOn = false;
    await this.#writing;
    await this.#consumer?.close();
    await this.#following;
    const found = new Map<string, string>();
    const last = new Map<string, number>();
    for await (const { partition, offset, value } of this.#client.read(this.#topic, { until: 'end' })) {
      const text = value ?? '';
      if (found.has(text)) throw new Error(`${text} is at ${found.get(text)} and at ${partition}/${offset}`);
      found.set(text, `${partition}/${offset}`);
      const [, lane = '', number] = text.split('-');
      if (Number(number) <= (last.get(lane) ?? -1)) throw new Error(`${text} stands behind a later one`);
      last.set(lane, Number(number));
    }
    for (const [text, place] of this.#acknowledged) {
      if (found.get(text) !== place)
        throw new Error(`${text} was acknowledged at ${place}, and is at ${found.get(text)}`);
    }
    return this.#acknowledged.size;
  }

  async #write(): Promise<void> {
    const producer = this.#client.producer({ topic: this.#topic, linger: '1ms', deliveryTimeout: '100s' });
    for (let number = 0; this.#isOn; number += 1) {
      for (let partition = 0; partition < this.#partitions; partition += 1) {
        const value = `record-${partition}-${number}`;
        const ticket = await producer.push({ value, partition });
        ticket.ack.then(
          ({ offset }) => this.#acked(partition, value, offset ?? -1n),
          (error: unknown) => this.#errors.push(`${value}: ${error instanceof Error ? error.message : error}`),
        );
      }
      await pause(everyMs);
    }
    await producer.close();
  }

  #acked(partition: number, value: string, offset: bigint): void {
    this.#acknowledged.set(value, `${partition}/${offset}`);
    this.#ackGapMs = Math.max(this.#ackGapMs, this.#step(this.#lastAckAt, partition));
  }

  async #follow(): Promise<void> {
    const assignment = Array.from({ length: this.#partitions }, (_, partition) => ({
      topic: this.#topic,
      partition,
      from: 'start' as const,
    }));
    const consumer = this.#client.consumer({ assignment });
    this.#consumer = consumer;
    const next = Array<bigint>(this.#partitions).fill(0n);
    for await (const { partition, offset } of consumer) {
      if (offset !== next[partition]) this.#errors.push(`${partition}/${offset} was read after ${next[partition]}`);
      next[partition] = offset + 1n;
      this.#read += 1;
      this.#readGapMs = Math.max(this.#readGapMs, this.#step(this.#lastReadAt, partition));
    }
  }

  #step(since: number[], partition: number): number {
    const now = performance.now();
    const gapMs = now - (since[partition] ?? now);
    since[partition] = now;
    return gapMs;
  }
}
