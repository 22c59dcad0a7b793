import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '@moldau/client';
import type { Compose } from './compose.ts';

const nodes = ['storage-node-1', 'storage-node-2', 'storage-node-3'];
const topic = 'compose-check-kills';
const recordsPerNode = 500;
const inSyncWithinMs = 30_000;

/** Kills one storage node after the other under load: nobody sees an error, and nothing acknowledged is missing. */
export async function killEachNode(
  up: Compose,
  address: string,
  healthy: () => Promise<void>,
  say: (text: string) => void,
): Promise<void> {
  await using moldau = await connect({ endpoints: address });
  await moldau.admin.createTopic({ name: topic, partitions: 3, replicas: nodes.length });
  const producer = moldau.producer({ topic, deliveryTimeout: '30s' });
  let next = 0;
  for (const node of nodes) {
    await up.do('kill', '-s', 'SIGKILL', node);
    const since = performance.now();
    let longestMs = 0;
    for (const end = next + recordsPerNode; next < end; next += 1) {
      const before = performance.now();
      await producer.send({ key: `k${next}`, value: `${next}` });
      longestMs = Math.max(longestMs, performance.now() - before);
    }
    const tookMs = Math.round(performance.now() - since);
    say(
      `${node} killed: ${recordsPerNode} records acknowledged in ${tookMs} ms, the slowest in ${Math.round(longestMs)} ms`,
    );
    await up.do('up', '-d', node);
    await healthy();
    say(`${node} is in sync again ${await inSyncAgain()} ms later`);
  }
  await producer.close();
  const found = new Set<string>();
  let count = 0;
  for await (const { value } of moldau.read(topic, { until: 'end' })) {
    found.add(value ?? '');
    count += 1;
  }
  if (count !== next || found.size !== next)
    throw new Error(`${count} records were read, ${found.size} different ones: ${next} were written`);
  say(`${count} records were read, each once`);

  async function inSyncAgain(): Promise<number> {
    const since = performance.now();
    for (;;) {
      const { topic: described } = await moldau.admin.describeTopic(topic);
      if (described?.partitions.every(({ inSync }) => inSync.length === nodes.length)) break;
      if (performance.now() - since > inSyncWithinMs)
        throw new Error(`not all copies are in sync after ${inSyncWithinMs} ms`);
      await pause(200);
    }
    return Math.round(performance.now() - since);
  }
}
