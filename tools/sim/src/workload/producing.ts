import { type Producer, SendFailed } from '@moldau/client';
import { MoldauError } from '@moldau/kernel';
import type { Write } from '../oracle/write.ts';
import type { World } from '../world.ts';

/** Pushes records through the library's producer until the world is no longer busy, or it has pushed `most`, then flushes. */
export async function produce(
  world: World,
  name: string,
  topic: string,
  idempotent: boolean,
  most = 400,
): Promise<void> {
  const { random, oracle } = world;
  const person = world.person(name);
  const producer = person.client.producer({
    topic,
    idempotent,
    linger: random.below(20),
    batchSize: 1024 + random.below(8 * 1024),
    buffer: 64 * 1024,
    deliveryTimeout: 3_000 + random.below(25_000),
    ...(random.chance(0.3) && { compression: 'lz4' as const }),
  });
  const keys = 1 + random.below(6);
  const paceMs = 25 + random.below(120);
  const sizeBytes = 20 + random.below(1_500);
  for (let number = 0; world.isBusy && number < most; number += 1) {
    const lane = idempotent ? { name, number } : undefined;
    const write = oracle.invoke(`${name}.${number}`, topic, random.below(sizeBytes), lane);
    await push(world, producer, write, `k${random.below(keys)}`);
    if (random.chance(0.6)) await world.sleep(random.below(paceMs * 2), person);
  }
  await producer.flush().catch(asLoss);
  await producer.close().catch(asLoss);
}

async function push(world: World, producer: Producer, write: Write, key: string): Promise<void> {
  const { oracle } = world;
  try {
    const ticket = await producer.push({ key, value: write.text });
    ticket.ack.then(
      ({ partition, offset }) => guarded(world, () => oracle.ok(write, partition, offset)),
      (error: unknown) => guarded(world, () => oracle.failed(write, asLoss(error))),
    );
  } catch (error) {
    oracle.failed(write, asMoldau(error), 'NOT_WRITTEN');
  }
}

/** What runs behind nobody's await must not fall silent. */
function guarded(world: World, task: () => void): void {
  try {
    task();
  } catch (error) {
    world.fail(error);
  }
}

/** A producer loses records with SendFailed only; everything else is a bug. */
function asLoss(error: unknown): MoldauError {
  if (error instanceof SendFailed) return error;
  throw error;
}

/** Everything that a client's library throws is a MoldauError; everything else is a bug. */
export function asMoldau(error: unknown): MoldauError {
  if (error instanceof MoldauError) return error;
  throw error;
}
