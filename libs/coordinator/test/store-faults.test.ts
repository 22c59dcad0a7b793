import { revision as asRevision, MoldauError } from '@moldau/kernel';
import { Keys, officeCodec, StoreCompacted } from '@moldau/metadata';
import test from 'ava';
import { World } from './world.ts';

test('a creation whose answers are lost is there once', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  world.store.faults.loseReplies(4);
  const { topic } = await world.run(office.createTopic({ name: 'a', partitions: 3 }));
  t.is(topic?.partitions?.length, 3);
  await world.time.runFor(61_000);
  const keys = (await world.store.range('')).entries.map(({ key }) => key);
  t.is(keys.filter((key) => key.includes('/partitions/')).length, 3);
});

test('a creation of which only the last answer is lost does not take its own topic for another one', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  world.store.faults.delayMs = 5;
  const creating = office.createTopic({ name: 'a', partitions: 3 });
  const partitions = async (): Promise<number> =>
    (await world.store.range('')).entries.filter(({ key }) => key.includes('/partitions/')).length;
  await world.until(async () => (await partitions()) === 3);
  world.store.faults.loseReplies();
  const { topic } = await world.run(creating);
  t.is((await office.getMetadata({ topics: ['a'] })).topics?.[0]?.id, topic?.id);
});

test('a creation that takes minutes is not swept', async (t) => {
  const world = new World(t);
  const office = await world.started({ sessionTimeoutMs: 900_000, leaseMs: 900_000 });
  await world.activeNode(office, 1);
  world.store.faults.delayMs = 25_000;
  const since = world.time.monotonicMs();
  await world.run(office.createTopic({ name: 'a', partitions: 300 }));
  t.true(world.time.monotonicMs() - since < 200_000, 'at the first attempt');
});

test('a request that comes late decides nothing twice', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  for (const [name, delays] of [
    ['a', [5_000]],
    ['b', [20, 5_000]],
    ['c', [10]],
  ] as const) {
    for (const byMs of delays) world.store.faults.delayNextTxn(byMs);
    const { topic } = await world.run(office.createTopic({ name }));
    await world.time.runFor(70_000);
    t.is((await office.getMetadata({ topics: [name] })).topics?.[0]?.id, topic?.id);
    t.deepEqual(await office.leader(name), { leader: 1, epoch: 1 });
  }
});

test('a creation that was given up, and whose last write comes late, leaves all or nothing', async (t) => {
  for (const lateMs of [30_000, 90_000, 150_000]) {
    const world = new World(t);
    const office = await world.started();
    await world.activeNode(office, 1);
    const stored = async (kind: string): Promise<number> =>
      (await world.store.range('')).entries.filter(({ key }) => key.includes(kind)).length;
    world.store.faults.delayMs = 5;
    const creating = office.createTopic({ name: 'a', partitions: 3 });
    await world.until(async () => (await stored('/partitions/')) === 3);
    for (let i = 0; i < 6; i++) world.store.faults.delayNextTxn(lateMs);
    await t.throwsAsync(world.run(creating), { name: 'STORE_UNAVAILABLE' });
    await world.time.runFor(300_000);
    const topics = await world.run(stored('/topics/'));
    t.is(topics, lateMs < 60_000 ? 1 : 0, 'the sweeper came before, or after');
    t.is(await world.run(stored('/partitions/')), 3 * topics);
  }
});

test('a creation whose first attempt comes when its topic is deleted does not bring that back', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  const stored = async (kind: string): Promise<number> =>
    (await world.store.range('')).entries.filter(({ key }) => key.includes(kind)).length;
  world.store.faults.delayMs = 5;
  const creating = office.createTopic({ name: 'a', partitions: 3 });
  await world.until(async () => (await stored('/partitions/')) === 3);
  world.store.faults.delayNextTxn(5_000);
  await world.run(creating);
  await world.run(office.deleteTopic({ name: 'a' }));
  await world.time.runFor(20_000);
  t.is(await world.run(stored('/topics/')), 0);
  await world.run(office.createTopic({ name: 'a' }));
  t.is(await world.run(stored('/topics/')), 1);
});

test('while the store is away nothing changes and nobody is active; afterwards everything goes on', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  world.store.faults.unavailable = true;
  world.store.faults.breakWatches();
  t.deepEqual(await office.leader('a'), { leader: 1, epoch: 1 }, 'what it knows it still tells');
  const refused = await t.throwsAsync(world.run(office.createTopic({ name: 'b' })), { instanceOf: MoldauError });
  t.true(refused?.retriable);
  await world.time.runFor(60_000);
  await t.throwsAsync(office.leader('a'), { name: 'NOT_SERVING' }, 'another one might be active by now');
  t.is((node.ending as Error).name, 'NOT_SERVING');
  world.store.faults.unavailable = false;
  await world.until(async () => office.coordinator.stage === 'active');
  t.deepEqual(await office.leader('a'), { leader: 1, epoch: 1 }, 'a fence that is not written is none');
  await world.until(async () => (await office.leader('a')).leader === undefined);
  await world.activeNode(office, 1);
  await world.until(async () => (await office.leader('a')).leader === 1);
  t.is((await world.run(office.createTopic({ name: 'b' }))).topic?.name, 'b');
});

test('a watch that breaks, is compacted away or falls silent loses nothing', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  for (let i = 0; i < 10; i++) {
    world.store.faults.breakNextWatchAfter(i % 3);
    world.store.faults.breakWatches();
    const creating = office.createTopic({ name: `topic-${i}` });
    if (i % 4 === 3) await world.store.compact((await world.store.status()).revision);
    await world.run(creating);
  }
  const { topics } = await office.listTopics();
  t.is(topics?.length, 10);
  t.true(topics?.every(({ offlinePartitions }) => offlinePartitions === 0));
});

test('a deposed coordinator writes nothing, says so, and comes back when the office is vacant', async (t) => {
  const world = new World(t);
  const office = await world.started();
  const node = await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  const { election } = new Keys(office.coordinator.clusterId);
  const usurp = { kind: 'put', key: election, value: officeCodec.encode({ instance: 'x', address: '' }, 'n') } as const;
  await world.store.txn([], [{ kind: 'delete', key: election }]);
  await world.store.txn([], [usurp]);
  const before = (await world.store.status()).revision;
  await t.throwsAsync(world.run(office.createTopic({ name: 'b' })), { name: 'NOT_SERVING' });
  await world.time.runFor(3_000);
  t.is((await world.store.status()).revision, before);
  t.is((node.ending as Error).name, 'NOT_SERVING');
  await t.throwsAsync(office.getMetadata(), { name: 'NOT_SERVING', message: /standing by for x/ });
  await world.store.txn([], [{ kind: 'delete', key: election }]);
  await world.until(async () => office.coordinator.stage === 'active');
  node.join(office);
  t.is((await world.run(office.createTopic({ name: 'b' }))).topic?.name, 'b');
});

test('a coordinator waits for its store at the start', async (t) => {
  const world = new World(t);
  world.store.faults.unavailable = true;
  const office = world.coordinator();
  const starting = office.coordinator.start();
  await world.time.runFor(30_000);
  await t.throwsAsync(office.getMetadata(), { name: 'NOT_SERVING', message: /starting/ });
  world.store.faults.unavailable = false;
  world.store.faults.loseReplies(3);
  await world.run(starting);
  t.deepEqual((await office.getMetadata()).nodes, []);
});

test('left-overs of a creation that a crash cut short are swept at the start', async (t) => {
  const world = new World(t);
  const first = await world.started();
  await world.activeNode(first, 1);
  await world.run(first.createTopic({ name: 'a' }));
  const { entries } = await world.store.range('');
  const partition = entries.find(({ key }) => key.includes('/partitions/'));
  const orphan = `${partition?.key.replace(/partitions\/.*/, 'partitions/left-over/')}`;
  const ops = Array.from({ length: 3 }, (_, i) => {
    return { kind: 'put', key: `${orphan}${i}`, value: partition?.value ?? '' } as const;
  });
  await world.store.txn([], ops);
  await world.run(first.coordinator.stop());
  const second = await world.started();
  await world.time.runFor(1_000);
  const keys = (await world.store.range('')).entries.map(({ key }) => key);
  t.false(keys.some((key) => key.startsWith(orphan)));
  t.is((await second.listTopics()).topics?.length, 1);
});

test('a value of a newer program stops the coordinator instead of being overwritten', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  const { topic } = await world.run(office.createTopic({ name: 'a' }));
  const { entries } = await world.store.range('');
  const entry = entries.find(({ key }) => key.endsWith(`/topics/${topic?.id}`));
  const value = JSON.stringify({ ...JSON.parse(entry?.value ?? '{}'), v: 2 });
  await world.store.txn([], [{ kind: 'put', key: entry?.key ?? '', value }]);
  await world.time.runFor(100);
  t.true(office.coordinator.stopped.aborted);
  const next = world.coordinator();
  await t.throwsAsync(world.run(next.coordinator.start()), {
    name: 'StartError',
    message: /has version 2.*newer program/,
  });
});

test('the history of the store is forgotten after some minutes', async (t) => {
  const world = new World(t);
  const office = await world.started();
  await world.activeNode(office, 1);
  await world.run(office.createTopic({ name: 'a' }));
  const { revision } = await world.store.status();
  await world.time.runFor(350_000);
  await world.run(office.createTopic({ name: 'b' }));
  await t.notThrowsAsync(world.store.range('', { revision }));
  await world.time.runFor(650_000);
  await t.throwsAsync(world.store.range('', { revision: asRevision(revision - 1n) }), { instanceOf: StoreCompacted });
  t.is((await office.listTopics()).topics?.length, 2);
});
