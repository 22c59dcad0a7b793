import { setTimeout as pause } from 'node:timers/promises';
import type { Moldau } from '@moldau/client';

const everyMs = 10;
const valueBytes = 100;

/** Long enough that a batch is worth it, on each of many partitions. */
const linger = '100ms';

/** Writes to all partitions of a topic in turn, at a steady rate, until it is ended. */
export class Flow {
  readonly #client: Moldau;
  readonly #topic: string;
  readonly #partitions: number;
  readonly #perSecond: number;
  readonly #ending = new AbortController();
  readonly #written: Promise<number>;

  constructor(client: Moldau, { topic, partitions }: { topic: string; partitions: number }, perSecond: number) {
    this.#client = client;
    this.#topic = topic;
    this.#partitions = partitions;
    this.#perSecond = perSecond;
    this.#written = this.#write();
    this.#written.catch(() => {});
  }

  /** Resolves when all of it is acknowledged, with how many records that are. Rejects when one was not. */
  end(): Promise<number> {
    this.#ending.abort();
    return this.#written;
  }

  async #write(): Promise<number> {
    const { signal } = this.#ending;
    const producer = this.#client.producer({ topic: this.#topic, linger, deliveryTimeout: '100s' });
    const value = 'x'.repeat(valueBytes);
    const startedAt = performance.now();
    let count = 0;
    try {
      while (!signal.aborted) {
        const due = Math.floor(((performance.now() - startedAt) * this.#perSecond) / 1_000);
        for (; count < due; count += 1) await producer.push({ value, partition: count % this.#partitions });
        await pause(everyMs, undefined, { signal }).catch(() => {});
      }
      await producer.flush();
      return count;
    } finally {
      await producer.close();
    }
  }
}
