import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { runInThisContext } from 'node:vm';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';

const page = readFileSync(fileURLToPath(new URL('../../../docs/consumers.md', import.meta.url)), 'utf8');
const examples = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code ?? '');

test('the examples of docs/consumers.md do what the page says: every record comes', async (t) => {
  t.is(examples.length, 7);
  const cluster = new SimulatedCluster({ seed: 12, groupCoordinators: 1 });
  const { time } = cluster;
  await time.run(cluster.start());
  const moldau = cluster.client('app');
  for (const name of ['orders', 'orders.dlq']) await time.run(moldau.admin.createTopic({ name, partitions: 2 }));
  const writing = async (): Promise<void> => {
    await using producer = moldau.producer({ topic: 'orders' });
    for (let i = 0; i < 10; i += 1) await producer.push({ key: `${i % 3}`, value: `${i}` });
  };
  await time.run(writing());
  for (const example of examples) {
    const seen = new Set<string>();
    const stop = new AbortController();
    const handle = ({ value }: { readonly value: string }): boolean => {
      seen.add(value);
      if (seen.size === 10) stop.abort();
      return seen.size === 10;
    };
    const sink = (records: readonly { readonly value: string }[]): boolean => records.map(handle).includes(true);
    const code = stripTypeScriptTypes(`(async (moldau, handle, sink, signal) => {\n${example}\n})`);
    const run = runInThisContext(code) as (...given: unknown[]) => Promise<void>;
    await time.run(run(moldau, handle, sink, stop.signal));
    t.is(seen.size, /handle|sink/.test(example) ? 10 : 0, example);
  }
});
