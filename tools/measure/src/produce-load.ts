// A client of its own process that writes so many records as fast as it may.
import { codec, connect } from '@moldau/client';
import { found, given } from './children.ts';
import { TestValues } from './test-values.ts';

/** What is to be written. */
export interface Load {
  readonly port: number;
  readonly topic: string;
  readonly count: number;
  readonly valueBytes: number;
}

const { port, topic, count, valueBytes } = given<Load>();
const values = new TestValues(valueBytes);
await using client = await connect({ endpoints: `localhost:${port}` });
await using producer = client.producer({ topic, key: codec.bytes, value: codec.bytes });
const startedAt = performance.now();
for (let offset = 0; offset < count; offset += 1) await producer.push({ value: values.at(offset) });
await producer.flush();
found({ seconds: (performance.now() - startedAt) / 1000 });
