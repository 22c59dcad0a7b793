// A client of its own process that reads a topic from its start to its end.
import { codec, connect } from '@moldau/client';
import { found, given } from './children.ts';
import { RecordSum } from './test-values.ts';

const { port, topic, isSummed } = given<{ port: number; topic: string; isSummed: boolean }>();
await using client = await connect({ endpoints: `localhost:${port}` });
const sum = new RecordSum();
let count = 0;
const startedAt = performance.now();
for await (const { offset, value } of client.read(topic, { until: 'end', key: codec.bytes, value: codec.bytes })) {
  count += 1;
  if (isSummed) sum.add(offset, value ?? new Uint8Array());
}
found({ seconds: (performance.now() - startedAt) / 1000, count, digest: sum.digest });
