import { type Delay, SendFailed } from '@moldau/client';
import { SimulatedCluster } from '@moldau/testing';
import test, { type ExecutionContext } from 'ava';

async function running(nodes: number): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster({ seed: 3, nodes, diskLatencyMs: { min: 0.1, max: 3 } });
  await cluster.time.run(cluster.start());
  return cluster;
}

const delayed = ({ partition, error: { reason }, deliveryTimeoutMs }: Delay): string =>
  `${partition} ${reason} ${deliveryTimeoutMs}`;

async function failure(t: ExecutionContext, sending: Promise<unknown>): Promise<SendFailed> {
  const error = await t.throwsAsync(sending, { instanceOf: SendFailed });
  return error as SendFailed;
}

test('too few copies: the producer tells after two seconds why it waits, and at the end why it gave up', async (t) => {
  const cluster = await running(2);
  const { time } = cluster;
  const client = cluster.client('app');
  const { partitions } = await time.run(client.admin.createTopic({ name: 't', replicas: 2 }));
  const delays: Delay[] = [];
  const onDelay = (delay: Delay): void => {
    delays.push(delay);
    throw new Error('what a listener throws concerns no record');
  };
  const producer = client.producer({ topic: 't', deliveryTimeout: '60s', onDelay });
  await time.run(producer.send({ value: 'first' }));
  const follower = cluster.node(partitions[0]?.leader === 1 ? 2 : 1);
  follower.kill('kill');
  await time.runFor(30_000);
  const ticket = await time.run(producer.push({ value: 'second' }));
  await time.runFor(1_900);
  t.deepEqual(delays, []);
  await time.runFor(1_000);
  t.deepEqual(delays.map(delayed), ['0 NOT_ENOUGH_REPLICAS 60000']);
  t.true((delays[0]?.waitedMs ?? 0) >= 2_000);
  t.is(delays[0]?.error.message, 't/0 has 1 in-sync replica, and an append needs 2: wait for a node to come back');
  const { reason, outcome, message } = await failure(t, time.run(ticket.ack));
  t.deepEqual({ reason, outcome }, { reason: 'NOT_ENOUGH_REPLICAS', outcome: 'NOT_WRITTEN' });
  t.regex(message, /^t\/0 has 1 in-sync replica, .* \(given up after 1m: it is not written\)$/);

  // The delay ends with what caused it, and begins anew.
  const third = await time.run(producer.push({ value: 'third' }));
  await time.runFor(3_000);
  await time.run(follower.start());
  await time.run(third.ack);
  const before = delays.length;
  await time.runFor(30_000);
  t.is(delays.length, before);
});

test('no leader: the producer says so, and does not call the outcome unknown', async (t) => {
  const cluster = await running(1);
  const { time } = cluster;
  const client = cluster.client('app');
  await time.run(client.admin.createTopic({ name: 't' }));
  cluster.node().kill('kill');
  await time.runFor(60_000);
  const delays: Delay[] = [];
  const producer = client.producer({
    topic: 't',
    deliveryTimeout: '3s',
    onDelay: (delay) => delays.push(delay),
  });
  const { outcome, message } = await failure(t, time.run(producer.send({ value: 'first' })));
  t.is(outcome, 'NOT_WRITTEN');
  t.regex(message, /^t\/0 has no leader now: .* \(given up after 3s: it is not written\)$/);
  t.deepEqual(delays.map(delayed), ['0 NOT_LEADER 3000']);
  const before = time.pending;
  await time.run(client.close());
  t.true(time.pending <= before);
});

test('a record that was never sent has no unknown outcome, though what comes before it took too long', async (t) => {
  const cluster = await running(1);
  const { time } = cluster;
  const client = cluster.client('app', 2_000);
  await time.run(client.admin.createTopic({ name: 't' }));
  cluster.network.freeze(cluster.node().address);
  const producer = client.producer({ topic: 't', deliveryTimeout: '5s' });
  const { reason, outcome, message } = await failure(t, time.run(producer.send({ value: 'first' })));
  t.deepEqual({ reason, outcome }, { reason: 'TIMED_OUT', outcome: 'NOT_WRITTEN' });
  t.regex(message, /^the producer id for t\/0 did not come in time from \S+ \(given up after 5s: it is not written\)$/);
});

test('an outcome that is unknown is called so', async (t) => {
  const cluster = await running(1);
  const { time } = cluster;
  const producer = cluster.client('app').producer({ topic: 't', deliveryTimeout: '3s' });
  await time.run(producer.send({ value: 'first' }));
  cluster.node().disk.holdSyncs();
  const sending = time.run(producer.send({ value: 'second' }));
  const { outcome, message } = await failure(t, sending);
  t.is(outcome, 'UNKNOWN');
  t.regex(message, /\(given up after 3s: it may be written\)$/);
  cluster.node().disk.releaseSyncs();
});
