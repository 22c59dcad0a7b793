// A client of its own process that writes batches of one large record each, or reads them, as fast as it may.
import { codec, connect } from '@moldau/client';
import { found, given } from './children.ts';
import { TestValues } from './test-values.ts';

/** What is to be done. */
export interface LargeBatches {
  readonly port: number;
  readonly topic: string;
  readonly partitions: number;
  readonly count: number;
  readonly batchBytes: number;
  readonly direction: 'produce' | 'consume';
}

/** What a batch of one record takes besides its value, at most. */
const overheadBytes = 256;

const { port, topic, partitions, count, batchBytes, direction } = given<LargeBatches>();
await using client = await connect({ endpoints: `127.0.0.1:${port}` });
let batches = 0;
let startedAt = performance.now();
if (direction === 'produce') {
  const value = new TestValues(batchBytes - overheadBytes).at(0);
  await using producer = client.producer({ topic, value: codec.bytes, batchSize: batchBytes, buffer: '64MiB' });
  for (let partition = 0; partition < partitions; partition += 1) await producer.send({ value, partition });
  startedAt = performance.now();
  for (; batches < count; batches += 1) await producer.push({ value, partition: batches % partitions });
  await producer.flush();
} else {
  for await (const _ of client.read(topic, { until: 'end', value: codec.bytes })) batches += 1;
}
found({ seconds: (performance.now() - startedAt) / 1000, batches });
