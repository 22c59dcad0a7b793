import { type Client, connect, Offset, type Publisher } from 'rabbitmq-stream-js-client';
import { Connection } from 'rabbitmq-stream-js-client/dist/connection.js';
import type { Share } from '../../shares.ts';
import { runTask } from '../../streams/client-task.ts';
import { InFlight } from '../../streams/in-flight.ts';
import type { StreamClient, Values } from '../../streams/stream-client.ts';
import { frameBytes, frameRecords, unconfirmedMax } from './pipeline.ts';

type Take = (value: Uint8Array) => void;

class RabbitStreams implements StreamClient {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async createTopic(topic: string): Promise<void> {
    await this.#client.createStream({ stream: topic });
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#client.deleteStream({ stream: topic });
  }

  async writeAll(topic: string, { count, valueBytes, next }: Values): Promise<void> {
    const inFlight = new InFlight(unconfirmedMax);
    const recordsInFrame = Math.max(1, Math.min(frameRecords, Math.floor(frameBytes / valueBytes)));
    const publisher = await this.#publisher(topic, recordsInFrame, (error, ids) => {
      if (error !== null) inFlight.fail(`RabbitMQ has refused records: ${error}`);
      inFlight.done(ids.length);
    });
    for (let i = 0; i < count; i += 1) {
      if (inFlight.isFull) await inFlight.room();
      inFlight.start();
      publisher.send(next()).catch((reason) => inFlight.fail(reason));
    }
    await inFlight.none();
  }

  async readShare(topic: string, { before, records }: Share, _clients: number, take: Take): Promise<void> {
    const read = Promise.withResolvers<void>();
    let left = records;
    await this.#consume(topic, Offset.offset(BigInt(before)), (value) => {
      if (left === 0) return;
      take(value);
      left -= 1;
      if (left === 0) read.resolve();
    });
    await read.promise;
  }

  async writer(topic: string): Promise<(value: Buffer) => Promise<void>> {
    const waiting = new Map<bigint, (error: number | null) => void>();
    const publisher = await this.#publisher(topic, 1, (error, ids) => {
      for (const id of ids) {
        waiting.get(id)?.(error);
        waiting.delete(id);
      }
    });
    return async (value) => {
      const { publishingId } = await publisher.send(value);
      const confirmed = Promise.withResolvers<number | null>();
      waiting.set(publishingId, confirmed.resolve);
      const error = await confirmed.promise;
      if (error !== null) throw new Error(`RabbitMQ has refused a record: ${error}`);
    };
  }

  async follow(topic: string, take: Take): Promise<void> {
    await this.#consume(topic, Offset.next(), take);
  }

  async #publisher(topic: string, recordsInFrame: number, confirmed: (error: number | null, ids: bigint[]) => void) {
    const publisher: Publisher = await this.#client.declarePublisher({ stream: topic, maxChunkLength: recordsInFrame });
    publisher.on('publish_confirm', confirmed);
    return publisher;
  }

  async #consume(topic: string, offset: Offset, take: Take): Promise<void> {
    await this.#client.declareConsumer({ stream: topic, offset }, (message) => take(message.content));
  }
}

// Brokers before 3.11, as Debian's, close a connection that asks which versions of commands they know. They know the
// first of each, which is what the client uses where nothing was agreed.
Reflect.set(Connection.prototype, 'exchangeCommandVersions', async () => undefined);

await runTask(
  async (port) =>
    new RabbitStreams(await connect({ hostname: '127.0.0.1', port, username: 'guest', password: 'guest', vhost: '/' })),
);
