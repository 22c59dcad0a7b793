import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { SimulatedCluster, type SimulatedCoordinator } from '@moldau/testing';
import test, { type ExecutionContext } from 'ava';

const leaseMs = 5_000;

async function pair(t: ExecutionContext, seed = 1) {
  const cluster = new SimulatedCluster({ seed, coordinators: 2 });
  t.teardown(() => cluster.time.run(cluster.stop()));
  await cluster.time.run(cluster.coordinator(1).start());
  await cluster.time.run(cluster.coordinator(2).start());
  return { cluster, first: cluster.coordinator(1), second: cluster.coordinator(2) };
}

const isActive = (one: SimulatedCoordinator): boolean =>
  one.isRunning && !one.isPaused && one.service.stage === 'active';

/** How long it took until the coordinator became active. */
async function takeover(cluster: SimulatedCluster, one: SimulatedCoordinator): Promise<number> {
  const since = cluster.time.monotonicMs();
  await cluster.time.runUntil(() => isActive(one), 30_000);
  return cluster.time.monotonicMs() - since;
}

test('of two coordinators one is active, and the other says for whom it stands by', async (t) => {
  const { cluster, first, second } = await pair(t);
  t.deepEqual([first.service.stage, second.service.stage], ['active', 'standby']);
  await cluster.time.runFor(60_000);
  t.deepEqual(
    [first.service.stage, second.service.stage],
    ['active', 'standby'],
    'for as long as the lease is renewed',
  );
});

test('a coordinator that stops hands over at once', async (t) => {
  const { cluster, first, second } = await pair(t);
  const stopping = first.stop();
  t.true((await takeover(cluster, second)) < 100);
  await cluster.time.run(stopping);
});

test('a coordinator whose process is gone is replaced before its lease ends', async (t) => {
  const { cluster, first, second } = await pair(t);
  await cluster.time.runFor(10_000);
  first.kill();
  t.true((await takeover(cluster, second)) <= leaseMs / 2);
});

test('one that stands still is replaced when its lease ends; when it goes on it answers and writes nothing', async (t) => {
  const { cluster, first, second } = await pair(t);
  const { time, store } = cluster;
  await time.run(cluster.node().start());
  const create = (at: SimulatedCoordinator, name: string) =>
    cluster.network.dialer('app').dial(at.address, 'control').unary(ClusterService.method.createTopic, { name });
  await time.run(create(first, 'before'));
  first.pause();
  t.true((await takeover(cluster, second)) <= leaseMs * 1.5);
  const since = time.monotonicMs();
  await time.run(cluster.client('app').admin.createTopic({ name: 'meanwhile' }));
  t.true(time.monotonicMs() - since < 6_000, 'a client that asks the silent one first goes on to the other');
  await time.runFor(20_000);
  const before = (await store.status()).revision;
  first.resume();
  await time.runFor(10_000);
  t.is((await store.status()).revision, before);
  t.deepEqual([first.service.stage, second.service.stage], ['standby', 'active']);
  t.is((await time.run(create(first, 'after'))).topic?.name, 'after', 'it passes on what it does not decide any more');
});

test('a holder that never answered is left to its lease: it may be out of reach from here only', async (t) => {
  const cluster = new SimulatedCluster({ seed: 1, coordinators: 2 });
  t.teardown(() => cluster.time.run(cluster.stop()));
  const [first, second] = [cluster.coordinator(1), cluster.coordinator(2)];
  await cluster.time.run(first.start());
  cluster.network.crash(first.address);
  await cluster.time.run(second.start());
  await cluster.time.runFor(60_000);
  t.deepEqual([first.service.stage, second.service.stage], ['active', 'standby']);
});

test('whatever the store does, no two are active, and in the end one is', async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const { cluster, first, second } = await pair(t, seed);
    const { time, store, random } = cluster;
    const until = async (ms: number): Promise<void> => {
      const end = time.monotonicMs() + ms;
      while (time.monotonicMs() < end) {
        await time.runFor(20);
        const serving = [first, second].filter(({ service, isPaused }) => !isPaused && service.isServing);
        if (serving.length > 1) throw new Error(`seed ${seed}: two coordinators are active at ${time.monotonicMs()}`);
      }
    };
    for (let fault = 0; fault < 12; fault += 1) {
      const kind = random.below(7);
      if (kind === 0) store.faults.loseReplies(1 + random.below(3));
      if (kind === 1) store.faults.revokeLeases();
      if (kind === 2) store.faults.breakWatches();
      if (kind === 3) store.faults.delayNextTxn(random.below(8_000));
      if (kind === 4) store.faults.delayMs = random.below(2_000);
      if (kind === 5) store.faults.unavailable = !store.faults.unavailable;
      const one = cluster.coordinator(1 + random.below(2));
      if (kind === 6) one.isPaused ? one.resume() : one.pause();
      await until(random.below(9_000));
    }
    store.faults.unavailable = false;
    store.faults.delayMs = 0;
    for (const one of [first, second]) one.resume();
    await until(30_000);
    t.is([first, second].filter(isActive).length, 1, `seed ${seed}`);
  }
});

test('a call that was passed on to a standby is refused, so that none goes in circles', async (t) => {
  const { cluster, second } = await pair(t);
  const channel = cluster.network.dialer('app').dial(second.address, 'control');
  const { method } = ClusterService;
  t.is((await cluster.time.run(channel.unary(method.getMetadata, {}))).nodes.length, 0, 'it asks the active one');
  const passedOn = channel.unary(method.getMetadata, {}, { forwarded: true });
  await t.throwsAsync(cluster.time.run(passedOn), { name: 'NOT_SERVING', message: /standing by for coordinator-1/ });
  const watch = channel.serverStream(method.watchMetadata, {})[Symbol.asyncIterator]();
  t.true((await cluster.time.run(watch.next())).value?.snapshot);
  await watch.return?.();
});
