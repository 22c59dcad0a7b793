import { SendFailed } from '@moldau/client';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';

async function running(): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster({ seed: 3 });
  await cluster.time.run(cluster.start());
  return cluster;
}

async function everything(cluster: SimulatedCluster): Promise<string[]> {
  const found: string[] = [];
  const reading = async (): Promise<void> => {
    for await (const { value } of cluster.client('checker').read('t', { until: 'end' })) found.push(value ?? '');
  };
  await cluster.time.run(reading());
  return found;
}

test('a producer with a higher fencing token takes over; the older one ends with what it has not written', async (t) => {
  const cluster = await running();
  const { time } = cluster;
  const old = cluster.client('old').producer({ topic: 't', fencingToken: 4n, linger: 0 });
  t.deepEqual(await time.run(old.send({ value: 'a' })), { partition: 0, offset: 1n });
  const fresh = cluster.client('fresh').producer({ topic: 't', fencingToken: 5n });
  await time.run(fresh.send({ value: 'b' }));
  const began = time.monotonicMs();
  const lost = await time.run(Promise.allSettled(['c', 'd', 'e'].map((value) => old.send({ value }))));
  for (const one of lost) {
    if (one.status === 'fulfilled') return t.fail('a fenced producer has written');
    t.true(one.reason instanceof SendFailed);
    t.like(one.reason, { reason: 'FENCED_TOKEN', outcome: 'NOT_WRITTEN', retriable: false });
  }
  const error = await t.throwsAsync(time.run(old.push({ value: 'f' })));
  t.like(error, { reason: 'FENCED_TOKEN' });
  t.regex(error?.message ?? '', /^t-0 is written to under fencing token 5, and this writer has 4: a newer one/);
  t.true(time.monotonicMs() - began < 1_000, 'it does not try again');
  await time.run(old.close());
  await time.run(fresh.send({ value: 'g' }));
  t.deepEqual(await everything(cluster), ['a', 'b', 'g']);
});

test('a producer without a token ends, too, where there is one; a token may be shared', async (t) => {
  const cluster = await running();
  const { time } = cluster;
  const plain = cluster.client('plain').producer({ topic: 't', linger: 0 });
  await time.run(plain.send({ value: 'a' }));
  for (const value of ['b', 'c']) {
    const owner = cluster.client(`owner ${value}`).producer({ topic: 't', fencingToken: 0n });
    await time.run(owner.send({ value }));
  }
  const error = await t.throwsAsync(time.run(plain.send({ value: 'd' })));
  t.like(error, { reason: 'FENCED_TOKEN', outcome: 'NOT_WRITTEN' });
  t.regex(error?.message ?? '', /this writer has none: it belongs to somebody else/);
  t.like(await t.throwsAsync(time.run(plain.push({ value: 'e' }))), { reason: 'FENCED_TOKEN' });
  t.deepEqual(await everything(cluster), ['a', 'b', 'c']);
});

test('the token is kept by a restart of the node, and the owner goes on by itself', async (t) => {
  const cluster = await running();
  const { time } = cluster;
  const owner = cluster.client('owner').producer({ topic: 't', fencingToken: 4n });
  await time.run(owner.send({ value: 'a' }));
  cluster.node().kill('power');
  await time.runFor(500);
  await time.run(cluster.node().start());
  const late = cluster.client('late').producer({ topic: 't', fencingToken: 3n });
  t.like(await t.throwsAsync(time.run(late.send({ value: 'b' }))), { reason: 'FENCED_TOKEN' });
  await time.run(owner.send({ value: 'c' }));
  t.deepEqual(await everything(cluster), ['a', 'c']);
});
