import type { GroupConsumer, Moldau } from '@moldau/client';
import { hasReason } from '@moldau/kernel';
import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import type { Conditions } from '@moldau/rpc';
import { SimulatedCluster } from '@moldau/testing';
import test from 'ava';

async function world(conditions: Conditions = () => ({ delayMs: 0 })) {
  const cluster = new SimulatedCluster({ seed: 9, nodes: 1, groupCoordinators: 2, gateways: 1, conditions });
  const { time } = cluster;
  await time.run(cluster.start());
  const client = cluster.client('app', 30_000, time, [cluster.gateway().address]);
  await time.run(client.admin.createTopic({ name: 't', partitions: 4 }));
  const servedBy = (n: number): number => cluster.groupCoordinator(n).service.servedShards.length;
  await time.runUntil(() => servedBy(1) + servedBy(2) === 16, 60_000);
  const produce = async (): Promise<void> => {
    await using producer = client.producer({ topic: 't', linger: 0 });
    for (let i = 0; i < 40; i += 1) await producer.push({ value: `${i}`, partition: i % 4 });
  };
  return { cluster, time, client, servedBy, produce };
}

function reading(client: Moldau, group: string): { readonly consumer: GroupConsumer; readonly values: string[] } {
  const consumer = client.consumer({ group, topics: ['t'], from: 'start' });
  const values: string[] = [];
  const read = async (): Promise<void> => {
    for await (const { value } of consumer) values.push(value ?? '');
  };
  void read();
  return { consumer, values };
}

test('members behind a gateway share a group, and outlive its coordinator', async (t) => {
  const { cluster, time, client, servedBy, produce } = await world();
  const a = reading(client, 'g');
  const b = reading(client, 'g');
  await time.runUntil(() => a.consumer.assignment.length === 2 && b.consumer.assignment.length === 2, 30_000);
  await time.run(produce());
  await time.runUntil(() => a.values.length + b.values.length === 40, 30_000);
  const { epoch } = await time.run(client.admin.describeGroup('g'));
  cluster.groupCoordinator(1).kill();
  await time.runUntil(() => servedBy(2) === 16, 60_000);
  await time.run(produce());
  await time.runUntil(() => a.values.length + b.values.length === 80, 30_000);
  await time.run(Promise.all([a.consumer.commit(), b.consumer.commit()]));
  const group = await time.run(client.admin.describeGroup('g'));
  t.is(group.epoch, epoch, 'with no rebalance');
  t.deepEqual(
    group.positions.map(({ committed, lag }) => [committed, lag]),
    Array.from({ length: 4 }, () => [20n, 0n]),
  );
  await time.run(Promise.all([a.consumer.close(), b.consumer.close()]));
});

test('groups of all coordinators are listed, page by page, each once', async (t) => {
  const { cluster, time, client, servedBy } = await world();
  t.true(servedBy(1) > 0 && servedBy(2) > 0);
  const names = Array.from({ length: 25 }, (_, i) => `group-${String(i).padStart(2, '0')}`);
  for (const name of names) await time.run(client.admin.seekGroup(name, 'start', { topics: ['t'] }));
  const listed = await time.run(client.admin.listGroups());
  t.deepEqual(
    listed.map(({ group }) => group),
    names,
  );
  const channel = cluster.network.dialer('raw').dial(cluster.gateway().address, 'control');
  const paged: string[] = [];
  let pageToken = '';
  do {
    const page = await time.run(channel.unary(GroupService.method.listGroups, { pageSize: 4, pageToken }));
    t.true(page.groups.length <= 4);
    paged.push(...page.groups);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  t.deepEqual(paged, names);
});

test('a list has all groups or is refused: a shard that moves may be with nobody', async (t) => {
  const second = 'group-coordinator-102';
  let isLate = false;
  const { cluster, time, client, servedBy } = await world((from, to) =>
    isLate && from === 'coordinator-1' && to === second ? 'hold' : { delayMs: 0 },
  );
  t.is(cluster.groupCoordinator(2).address, second);
  const names = Array.from({ length: 25 }, (_, i) => `group-${String(i).padStart(2, '0')}`);
  for (const name of names) await time.run(client.admin.seekGroup(name, 'start', { topics: ['t'] }));
  const channel = cluster.network.dialer('raw').dial(cluster.gateway().address, 'control');
  const list = () => time.run(channel.unary(GroupService.method.listGroups, {}, { timeoutMs: 400 }));
  const all = Array.from({ length: 16 }, (_, shard) => shard);
  t.deepEqual(await list(), { ...(await list()), groups: names, shards: all, nextPageToken: '' });
  isLate = true;
  await time.run(cluster.groupCoordinator(1).stop());
  t.is(servedBy(2), 8, 'it has not heard yet that it has all');
  const error = await t.throwsAsync(list());
  t.true(hasReason(error, 'NOT_SERVING'), String(error));
  isLate = false;
  cluster.network.release('coordinator-1', second);
  await time.runUntil(() => servedBy(2) === 16, 60_000);
  t.deepEqual((await list()).groups, names);
});

test('what the coordinator refuses is refused behind a gateway, too', async (t) => {
  const { cluster, time, client } = await world();
  const error = await time.run(t.throwsAsync(client.admin.describeGroup('nobody')));
  t.true(hasReason(error, 'UNKNOWN_GROUP'), String(error));
  const channel = cluster.network.dialer('raw').dial(cluster.gateway().address, 'control');
  const session = channel.session(GroupService.method.joinSession);
  session.send({ frame: { case: 'ping', value: { number: 1n } } });
  const listen = async (): Promise<void> => {
    for await (const _ of session.incoming);
  };
  const refused = await time.run(t.throwsAsync(listen()));
  t.true(hasReason(refused, 'INVALID_REQUEST'), String(refused));
  const bad = client.consumer({ group: 'g', pattern: '(', from: 'start' });
  const read = async (): Promise<void> => {
    for await (const _ of bad);
  };
  const regex = await time.run(t.throwsAsync(read()));
  t.true(hasReason(regex, 'INVALID_REGEX'), String(regex));
  await time.run(bad.close());
});
