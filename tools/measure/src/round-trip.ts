import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type Moldau } from '@moldau/client';
import { startDevServer } from '@moldau/testing/dev-server';
import { type Figure, quantile } from './figure.ts';

const perSecond = 1_000;
const valueBytes = 100;

/** How long a record takes to be durable, and to be read, when a thousand a second are sent. */
export async function measureRoundTrip(
  directory: string,
  seconds: number,
  lingers: readonly number[],
): Promise<Figure[]> {
  const server = await startDevServer(join(directory, 'data'), 0);
  try {
    const figures: Figure[] = [];
    for (const lingerMs of lingers) {
      const { acked, read } = await roundTrips(server.port, `trips-${lingerMs}`, lingerMs, seconds * perSecond);
      const of = `of ${acked.length}, ${perSecond} a second, linger ${lingerMs} ms`;
      figures.push(
        { name: `produce → durable, p50 ${of}`, unit: 'ms', runs: [quantile(acked, 0.5)] },
        { name: `produce → durable, p99 ${of}`, unit: 'ms', runs: [quantile(acked, 0.99)] },
        { name: `produce → durable → consumed, p50 ${of}`, unit: 'ms', runs: [quantile(read, 0.5)] },
        { name: `produce → durable → consumed, p99 ${of}`, unit: 'ms', runs: [quantile(read, 0.99)] },
      );
    }
    return figures;
  } finally {
    await server.stop();
  }
}

/** Latencies in ms, each from the moment at which its record was due: a send that comes late counts as slow. */
async function roundTrips(
  port: number,
  topic: string,
  lingerMs: number,
  count: number,
): Promise<{ acked: number[]; read: number[] }> {
  await using writer = await connect({ endpoints: `localhost:${port}` });
  await using reader = await connect({ endpoints: `localhost:${port}` });
  await writer.admin.createTopic({ name: topic, partitions: 1 });
  await using producer = writer.producer({ topic, linger: lingerMs });
  await producer.send({ value: 'warm'.padEnd(valueBytes) });
  const acked: number[] = [];
  const acks: Promise<unknown>[] = [];
  const startAt = performance.now() + 200;
  const dueAt = (index: number): number => startAt + (index * 1000) / perSecond;
  const reading = readAll(reader, topic, count, dueAt);
  for (let next = 0; next < count; ) {
    const now = performance.now();
    for (; next < count && dueAt(next) <= now; next += 1) {
      const due = dueAt(next);
      const ticket = await producer.push({ value: `${next} `.padEnd(valueBytes) });
      acks.push(ticket.ack.then(() => acked.push(performance.now() - due)));
    }
    await pause(1);
  }
  await Promise.all(acks);
  return { acked, read: await reading };
}

async function readAll(
  client: Moldau,
  topic: string,
  count: number,
  dueAt: (index: number) => number,
): Promise<number[]> {
  const read: number[] = [];
  for await (const { value } of client.read(topic, { from: { offset: 1n } })) {
    read.push(performance.now() - dueAt(Number.parseInt(value ?? '', 10)));
    if (read.length === count) break;
  }
  return read;
}
