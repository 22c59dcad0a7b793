import { ConfigSource } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import test, { type ExecutionContext } from 'ava';
import { World } from './world.ts';

async function cluster(t: ExecutionContext, nodes = 1, config = {}) {
  const world = new World(t);
  const office = await world.started(config);
  const joined = [];
  for (let id = 1; id <= nodes; id++) joined.push(await world.activeNode(office, id, { rack: `rack-${id % 3}` }));
  return { world, office, nodes: joined };
}

const storedKeys = async (world: World, part: string): Promise<string[]> =>
  (await world.store.range('')).entries.map(({ key }) => key).filter((key) => key.includes(part));

test('a topic of many partitions spreads over nodes and racks, leaders evenly', async (t) => {
  const { world, office } = await cluster(t, 6);
  const { topic } = await world.run(office.createTopic({ name: 'big', partitions: 300, replicas: 3 }));
  const partitions = topic?.partitions ?? [];
  t.is(partitions.length, 300);
  for (let id = 1; id <= 6; id++) {
    t.is(partitions.filter(({ leader }) => leader === id).length, 50);
    t.is(partitions.filter(({ replicas }) => replicas?.includes(id)).length, 150);
  }
  for (const { replicas } of partitions) t.is(new Set(replicas?.map((id) => id % 3)).size, 3, 'one a rack');
  t.is(partitions[0]?.minInSync, 2);
});

test('the same request again answers the same; another one is told that the topic exists', async (t) => {
  const { world, office } = await cluster(t);
  const first = await world.run(office.createTopic({ name: 'a', requestId: 'r1' }));
  const again = await world.run(office.createTopic({ name: 'a', requestId: 'r1' }));
  t.is(again.topic?.id, first.topic?.id);
  t.is(again.version, first.version);
  const error = await t.throwsAsync(world.run(office.createTopic({ name: 'a', requestId: 'r2' })), {
    name: 'TOPIC_EXISTS',
  });
  t.regex(error?.message ?? '', /topic "a" exists/);
});

test('of many creations of one name at once, one topic comes out, and nothing is left behind', async (t) => {
  const { world, office } = await cluster(t);
  const attempts = Array.from({ length: 5 }, () => office.createTopic({ name: 'a', partitions: 2 }));
  const ends = await world.run(Promise.allSettled(attempts));
  t.is(ends.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const end of ends) if (end.status === 'rejected') t.is(end.reason.name, 'TOPIC_EXISTS');
  await world.time.runFor(61_000);
  t.is((await storedKeys(world, '/partitions/')).length, 2);
});

test('what is impossible is refused before anything is written', async (t) => {
  const { world, office } = await cluster(t);
  const before = (await world.store.status()).revision;
  const entry = (key: string, value: string) => ({ config: [{ key, value }] });
  const refused = async (init: Parameters<typeof office.createTopic>[0], name: string, message: RegExp) =>
    t.throwsAsync(world.run(office.createTopic(init)), { name, message });
  await refused({ name: '' }, 'INVALID_REQUEST', /name is empty/);
  await refused({ name: 'a/b' }, 'INVALID_REQUEST', /only a–z/);
  await refused({ name: '__groups' }, 'INVALID_REQUEST', /belong to the system/);
  await refused({ name: 'a', partitions: 100_001 }, 'INVALID_REQUEST', /1 to 100000/);
  await refused({ name: 'a', replicas: 8 }, 'INVALID_REQUEST', /1 to 7/);
  await refused({ name: 'a', replicas: 3 }, 'NOT_ENOUGH_NODES', /3 replicas need 3 nodes, and the cluster has 1:/);
  await refused({ name: 'a', ...entry('retentoin', '7d') }, 'INVALID_CONFIG', /no topic setting "retentoin": one of/);
  await refused(
    { name: 'a', ...entry('retention', '7') },
    'INVALID_CONFIG',
    /retention can't be "7": it is a duration/,
  );
  await refused({ name: 'a', ...entry('segment.bytes', '1TiB') }, 'INVALID_CONFIG', /a size from 64KiB to 2GiB/);
  await refused(
    { name: 'a', ...entry('min.insync.replicas', '2') },
    'INVALID_CONFIG',
    /at most 1, the topic's replicas/,
  );
  t.is((await world.store.status()).revision, before);
});

test('nodes that are not there may come back, those of the default may still join: that may be asked for again', async (t) => {
  const { world, office } = await cluster(t, 1, { defaultReplicas: 3 });
  const refused = async (replicas: number, message: RegExp) => {
    const error = await t.throwsAsync(world.run(office.createTopic({ name: 'a', replicas })), { message });
    t.like(error, { reason: 'NOT_SERVING', retriable: true });
  };
  await refused(0, /3 replicas need 3 active nodes, and there are 1/);
  await world.node(office, 2);
  await refused(2, /2 replicas need 2 active nodes, and there are 1/);
});

test('validate_only checks, answers, and changes nothing', async (t) => {
  const { world, office } = await cluster(t);
  await world.run(office.createTopic({ name: 'a' }));
  const before = (await world.store.status()).revision;
  const { topic } = await world.run(office.createTopic({ name: 'b', partitions: 2, validateOnly: true }));
  t.is(topic?.partitions?.length, 2);
  t.is(topic?.id ?? '', '');
  const set = [{ key: 'retention', value: '1h' }];
  const updated = await world.run(office.updateTopic({ name: 'a', set, validateOnly: true }));
  t.is(updated.config?.find(({ key }) => key === 'retention')?.value, '1h');
  await world.run(office.deleteTopic({ name: 'a', validateOnly: true }));
  t.is((await world.store.status()).revision, before);
  await t.throwsAsync(world.run(office.createTopic({ name: 'a', validateOnly: true })), { name: 'TOPIC_EXISTS' });
});

test('settings show their value and where it comes from', async (t) => {
  const { world, office, nodes } = await cluster(t);
  const config = [{ key: 'retention', value: '48h' }];
  await world.run(office.createTopic({ name: 'a', config }));
  const shown = (await office.describeTopic('a')).config ?? [];
  const retention = shown.find(({ key }) => key === 'retention');
  t.like(retention, { value: '48h', source: ConfigSource.TOPIC });
  t.like(
    shown.find(({ key }) => key === 'flush'),
    { value: 'fsync', source: ConfigSource.DEFAULT },
  );
  const set = [{ key: 'flush', value: 'interval' }];
  await world.run(office.updateTopic({ name: 'a', set, unset: ['retention'] }));
  await world.time.runFor(10);
  const [assignment] = nodes[0]?.assignments.values() ?? [];
  t.like(assignment?.config, { flush: 'interval', retention: '7d' });
  t.is(assignment?.partition?.leaderEpoch, 1, 'nobody had to be elected');
  await t.throwsAsync(world.run(office.updateTopic({ name: 'a', unset: ['nope'] })), { name: 'INVALID_CONFIG' });
  await t.throwsAsync(world.run(office.updateTopic({ name: 'b' })), { name: 'UNKNOWN_TOPIC' });
});

test('a topic grows, in steps that nobody sees half of, and never shrinks', async (t) => {
  const { world, office, nodes } = await cluster(t, 2);
  await world.run(office.createTopic({ name: 'a', partitions: 2, replicas: 2 }));
  const grown = await world.run(office.updateTopic({ name: 'a', partitions: 350, requestId: 'grow' }));
  t.is(grown.topic?.partitions?.length, 350);
  const again = await world.run(office.updateTopic({ name: 'a', partitions: 350, requestId: 'grow' }));
  t.is(again.version, grown.version);
  await t.throwsAsync(world.run(office.updateTopic({ name: 'a', partitions: 350 })), { message: /it can only grow/ });
  await world.time.runFor(10);
  t.is(nodes[0]?.assignments.size, 350);
  for (const { assignedVersion, partitionEpoch } of nodes[0]?.assignments.values() ?? []) {
    t.true((assignedVersion ?? 0n) >= (partitionEpoch ?? 0n), 'new to the node since its first state was visible');
  }
});

test('min.insync.replicas reaches every partition with the update', async (t) => {
  const { world, office } = await cluster(t, 3);
  await world.run(office.createTopic({ name: 'a', partitions: 120, replicas: 3 }));
  const set = [{ key: 'min.insync.replicas', value: '3' }];
  const { topic } = await world.run(office.updateTopic({ name: 'a', set }));
  t.true(topic?.partitions?.every(({ minInSync }) => minInSync === 3));
});

test('a deleted topic is gone at once, its nodes are told, and its keys follow', async (t) => {
  const { world, office, nodes } = await cluster(t, 1, { tombstoneGraceMs: 600_000 });
  const { topic } = await world.run(office.createTopic({ name: 'a', partitions: 150 }));
  const deleted = await world.run(office.deleteTopic({ name: 'a', requestId: 'r' }));
  t.is(deleted.topicId, topic?.id);
  t.is((await world.run(office.deleteTopic({ name: 'a', requestId: 'r' }))).topicId, topic?.id);
  await t.throwsAsync(world.run(office.deleteTopic({ name: 'a' })), { name: 'UNKNOWN_TOPIC' });
  t.deepEqual((await office.getMetadata({ topics: ['a'], topicIds: [topic?.id ?? ''] })).topics, []);
  await world.time.runFor(100);
  t.deepEqual([...(nodes[0]?.tombstones ?? [])], [topic?.id]);
  const created = await world.run(office.createTopic({ name: 'a' }));
  t.not(created.topic?.id, topic?.id);
  await world.time.runFor(130_000);
  t.deepEqual((await storedKeys(world, '/partitions/')).length, 1);
  t.is((await storedKeys(world, '/tombstones/')).length, 1);
  const returning = await world.activeNode(office, 2);
  t.deepEqual([...returning.tombstones], [topic?.id], 'one that was away hears of it in its snapshot');
  await world.time.runFor(600_000);
  t.deepEqual(await storedKeys(world, '/tombstones/'), []);
});

test('asking for metadata creates a topic only where the cluster allows it', async (t) => {
  const closed = await cluster(t);
  await closed.world.run(closed.office.getMetadata({ topics: ['a'], autoCreate: true }));
  t.deepEqual((await closed.office.listTopics()).topics, []);
  const open = await cluster(t, 1, { autoCreate: true, defaultPartitions: 4 });
  const asked = Array.from({ length: 3 }, () => open.office.getMetadata({ topics: ['a', 'b'], autoCreate: true }));
  for (const { topics } of await open.world.run(Promise.all(asked))) {
    t.deepEqual(
      topics?.map(({ name, partitions }) => [name, partitions?.length]),
      [
        ['a', 4],
        ['b', 4],
      ],
    );
  }
  t.deepEqual((await open.office.getMetadata({ topics: ['c'] })).topics, []);
});

test('lists are paged by name and id', async (t) => {
  const { world, office } = await cluster(t, 3);
  for (const name of ['d', 'b', 'a', 'c', 'e']) await world.run(office.createTopic({ name }));
  const names: string[] = [];
  let pageToken = '';
  do {
    const page = await office.listTopics({ pageSize: 2, pageToken });
    names.push(...(page.topics ?? []).map(({ name }) => name ?? ''));
    pageToken = page.nextPageToken ?? '';
  } while (pageToken !== '');
  t.is(names.join(''), 'abcde');
  const first = await office.listNodes({ pageSize: 2 });
  t.deepEqual(
    first.nodes?.map(({ id }) => id),
    [1, 2],
  );
  const rest = await office.listNodes({ pageSize: 2, pageToken: first.nextPageToken ?? '' });
  t.deepEqual(
    rest.nodes?.map(({ id }) => id),
    [3],
  );
  t.is(rest.nextPageToken, '');
  await t.throwsAsync(office.listTopics({ pageSize: 1_001 }), { message: /at most 1000/ });
});

test("addresses are the nodes' own, or the one that was called", async (t) => {
  const own = await cluster(t);
  t.is((await own.office.getMetadata()).nodes?.[0]?.address, 'node-1:7071');
  const rewritten = await cluster(t, 1, { advertise: 'authority' });
  t.is((await rewritten.office.getMetadata()).nodes?.[0]?.address, 'here.example:7070');
  t.is((await rewritten.office.listNodes()).nodes?.[0]?.address, 'here.example:7070');
  await rewritten.world.node(rewritten.office, 2);
  t.is((await rewritten.office.listNodes()).nodes?.[1]?.address, 'node-2:7071', 'it is not there');
});
