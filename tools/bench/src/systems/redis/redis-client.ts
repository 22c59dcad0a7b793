import { createClient, RESP_TYPES } from 'redis';
import type { Share } from '../../shares.ts';
import { runTask } from '../../streams/client-task.ts';
import { InFlight } from '../../streams/in-flight.ts';
import type { StreamClient, Values } from '../../streams/stream-client.ts';
import { inFlightMax, readCount } from './pipeline.ts';

type Take = (value: Uint8Array) => void;
/** What XREAD replies: of each key its entries, and of each its id and its fields. */
type Entry = readonly [id: Buffer, fields: readonly [name: Buffer, value: Buffer]];
type Reply = readonly [(readonly [key: Buffer, entries: readonly Entry[]])?];

const group = 'readers';
const binary = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

const connected = (port: number) =>
  createClient({ url: `redis://127.0.0.1:${port}`, RESP: 2, commandsQueueMaxLength: 2 * inFlightMax }).connect();

type Redis = Awaited<ReturnType<typeof connected>>;

class RedisStreams implements StreamClient {
  readonly #redis: Redis;
  /** One that waits for what comes: a connection that waits can't do anything else. */
  readonly #reading: Redis;

  constructor(redis: Redis, reading: Redis) {
    this.#redis = redis;
    this.#reading = reading;
  }

  /** The group makes the stream, too. */
  async createTopic(topic: string): Promise<void> {
    await this.#redis.sendCommand(['XGROUP', 'CREATE', topic, group, '0', 'MKSTREAM']);
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#redis.unlink(topic);
  }

  async writeAll(topic: string, { count, next }: Values): Promise<void> {
    const inFlight = new InFlight(inFlightMax);
    for (let i = 0; i < count; i += 1) {
      if (inFlight.isFull) await inFlight.room();
      inFlight.track(this.#add(topic, next()));
    }
    await inFlight.none();
  }

  async readShare(topic: string, share: Share, clients: number, take: Take): Promise<void> {
    if (clients > 1) return this.#readGroup(topic, share, take);
    let last: string | Buffer = '0';
    for (let left = share.records; left > 0; ) {
      const entries = await this.#read(['XREAD', 'COUNT', String(readCount), 'STREAMS', topic, last]);
      for (const [, [, value]] of entries) take(value);
      left -= entries.length;
      last = entries.at(-1)?.[0] ?? last;
    }
  }

  /** A stream has no positions at which clients could divide it: the group deals out what is there until nothing is. */
  async #readGroup(topic: string, { client }: Share, take: Take): Promise<void> {
    const as = ['XREADGROUP', 'GROUP', group, String(client), 'COUNT', String(readCount), 'NOACK'];
    for (;;) {
      const entries = await this.#read([...as, 'STREAMS', topic, '>']);
      if (entries.length === 0) return;
      for (const [, [, value]] of entries) take(value);
    }
  }

  async writer(topic: string): Promise<(value: Buffer) => Promise<void>> {
    return async (value) => void (await this.#add(topic, value));
  }

  async follow(topic: string, take: Take): Promise<void> {
    const newest = ['XREVRANGE', topic, '+', '-', 'COUNT', '1'];
    const [last] = await this.#reading.sendCommand<readonly Entry[]>(newest, binary);
    // Where it fails, the process does.
    void this.#followFrom(topic, last?.[0] ?? '0', take);
  }

  async #followFrom(topic: string, start: string | Buffer, take: Take): Promise<void> {
    for (let last = start; ; ) {
      const wait = ['XREAD', 'COUNT', String(readCount), 'BLOCK', '0', 'STREAMS', topic];
      const entries = await this.#read([...wait, last]);
      for (const [, [, value]] of entries) take(value);
      last = entries.at(-1)?.[0] ?? last;
    }
  }

  #add(topic: string, value: Buffer): Promise<unknown> {
    return this.#redis.sendCommand(['XADD', topic, '*', 'v', value]);
  }

  async #read(command: readonly (string | Buffer)[]): Promise<readonly Entry[]> {
    const reply = await this.#reading.sendCommand<Reply | null>(command, binary);
    return reply?.[0]?.[1] ?? [];
  }
}

await runTask(async (port) => new RedisStreams(await connected(port), await connected(port)));
