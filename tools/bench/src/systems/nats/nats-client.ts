import { DeliverPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Share } from '../../shares.ts';
import { runTask } from '../../streams/client-task.ts';
import { InFlight } from '../../streams/in-flight.ts';
import type { StreamClient, Values } from '../../streams/stream-client.ts';
import { inFlightMax, pulledAhead } from './pipeline.ts';

type Take = (value: Uint8Array) => void;
type Connection = Awaited<ReturnType<typeof connect>>;

/** A stream has one subject, of its own name. */
class JetStream implements StreamClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async createTopic(topic: string): Promise<void> {
    const manager = await jetstreamManager(this.#connection);
    await manager.streams.add({
      name: topic,
      subjects: [topic],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      num_replicas: 1,
    });
  }

  async deleteTopic(topic: string): Promise<void> {
    const manager = await jetstreamManager(this.#connection);
    await manager.streams.delete(topic);
  }

  async writeAll(topic: string, { count, next }: Values): Promise<void> {
    const client = jetstream(this.#connection);
    const inFlight = new InFlight(inFlightMax);
    for (let i = 0; i < count; i += 1) {
      if (inFlight.isFull) await inFlight.room();
      inFlight.track(client.publish(topic, next()));
    }
    await inFlight.none();
  }

  async readShare(topic: string, { before, records }: Share, _clients: number, take: Take): Promise<void> {
    const read = Promise.withResolvers<void>();
    let left = records;
    // Sequences of a stream count from one.
    const start = { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: before + 1 } as const;
    const messages = await this.#consume(topic, start, (value) => {
      if (left === 0) return;
      take(value);
      left -= 1;
      if (left === 0) read.resolve();
    });
    await read.promise;
    messages.stop();
  }

  async writer(topic: string): Promise<(value: Buffer) => Promise<void>> {
    const client = jetstream(this.#connection);
    return async (value) => void (await client.publish(topic, value));
  }

  async follow(topic: string, take: Take): Promise<void> {
    await this.#consume(topic, { deliver_policy: DeliverPolicy.New }, take);
  }

  async #consume(topic: string, from: { deliver_policy: DeliverPolicy; opt_start_seq?: number }, take: Take) {
    const consumer = await jetstream(this.#connection).consumers.get(topic, from);
    return consumer.consume({ max_messages: pulledAhead, callback: (message) => take(message.data) });
  }
}

await runTask(async (port) => new JetStream(await connect({ servers: `127.0.0.1:${port}` })));
