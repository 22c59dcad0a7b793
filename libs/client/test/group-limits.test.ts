import { hasReason, sleep } from '@moldau/kernel';
import test from 'ava';
import { numbers, Reading, sorted, world } from './support/group-world.ts';

test('of two members under one name the newer one has it: the other ends, and does not come back', async (t) => {
  const { time, client, write } = await world();
  await write(20);
  const first = new Reading(client, { instanceId: 'desk' });
  await time.runUntil(() => first.values.length === 20, 30_000);
  await time.run(first.consumer.commit());
  const second = new Reading(client, { instanceId: 'desk' });
  await time.runUntil(() => first.failure !== undefined && second.owned.length === 4, 30_000);
  t.true(hasReason(first.failure, 'FENCED_INSTANCE'));
  await write(20, 20);
  await time.runUntil(() => second.values.length === 20, 30_000);
  t.deepEqual([first.values.length, sorted(second.values)], [20, numbers(20, 20)]);
  t.is((await time.run(client.admin.describeGroup('g'))).members.length, 1);
});

test('a group that is full says so, and the loop ends with it', async (t) => {
  const { time, client } = await world({ groups: { membersMax: 1 } });
  const member = new Reading(client);
  await time.runUntil(() => member.owned.length === 4, 30_000);
  const guest = new Reading(client);
  await time.runUntil(() => guest.failure !== undefined, 30_000);
  t.true(hasReason(guest.failure, 'GROUP_FULL'));
  t.is(member.owned.length, 4);
});

test('what a member has is shown before anything is committed there', async (t) => {
  const { time, client, write } = await world();
  await write(8);
  const member = new Reading(client, { commit: 'manual' });
  await time.runUntil(() => member.values.length === 8, 30_000);
  const { positions } = await time.run(client.admin.describeGroup('g'));
  const { memberId } = member.consumer;
  const nothingYet = { committed: undefined, end: 2n, lag: undefined, behindMs: undefined, metadata: '', memberId };
  t.deepEqual(
    positions,
    [0, 1, 2, 3].map((partition) => ({ topic: 't', partition, ...nothingYet })),
  );
});

test('a topic that is deleted and made again is another one: its members read it from where they begin', async (t) => {
  const { time, client, write } = await world();
  await write(40);
  const member = new Reading(client);
  await time.runUntil(() => member.values.length === 40, 30_000);
  await time.run(member.consumer.commit());
  await time.run(client.admin.deleteTopic('t'));
  await time.runUntil(() => member.owned.length === 0, 30_000);
  await time.run(client.admin.createTopic({ name: 't', partitions: 2 }));
  await time.runUntil(() => member.owned.length === 2, 30_000);
  const writing = async (): Promise<void> => {
    await using producer = client.producer({ topic: 't', linger: 0 });
    for (let i = 0; i < 10; i += 1) await producer.send({ value: `${i}`, partition: i % 2 });
  };
  await time.run(writing());
  await time.runUntil(() => member.values.length === 50, 30_000);
  t.deepEqual(sorted(member.values.slice(40)), numbers(10));
  t.is(member.failure, undefined);
});

test('a group coordinator that leaves in order: members go on elsewhere, with nothing twice and no rebalance', async (t) => {
  const { cluster, time, client, write } = await world();
  const members = [new Reading(client), new Reading(client)];
  const count = (): number => members.reduce((sum, { values }) => sum + values.length, 0);
  await time.runUntil(() => members.every(({ owned }) => owned.length === 2), 30_000);
  await write(20);
  await time.runUntil(() => count() === 20, 30_000);
  const { epoch } = await time.run(client.admin.describeGroup('g'));
  for (const n of [1, 2]) {
    const leaving = cluster.groupCoordinator(n);
    await time.run(leaving.stop());
    await write(20, 20 * n);
    await time.runUntil(() => count() === 20 + 20 * n, 30_000);
    await time.run(Promise.all(members.map(({ consumer }) => consumer.commit())));
    await time.run(leaving.start());
    await time.runUntil(() => leaving.service.servedShards.length === 8, 60_000);
  }
  t.deepEqual(sorted(members.flatMap(({ values }) => values)), numbers(60));
  t.is((await time.run(client.admin.describeGroup('g'))).epoch, epoch);
});

test('a commit whose answer is lost is made again, on the next stream', async (t) => {
  const { cluster, time, client, write } = await world();
  await write(20);
  const member = new Reading(client, { commit: 'manual' });
  await time.runUntil(() => member.values.length === 20, 30_000);
  const committed = async (): Promise<number> => {
    const positions = await time.run(cluster.client('asker').admin.groupLag('g'));
    return positions.reduce((sum, one) => sum + Number(one.committed ?? 0n), 0);
  };
  // What is sent to it waits, and is lost with the stream.
  cluster.network.freeze('app');
  const committing = member.consumer.commit();
  await time.run(sleep(time, 500));
  t.is(await committed(), 20, 'it is done, and the member does not know');
  for (const { address } of cluster.groupCoordinators) cluster.network.cut('app', address);
  cluster.network.thaw('app');
  await time.run(committing);
  t.is(await committed(), 20);
  t.deepEqual(member.events, ['assigned 0,1,2,3']);
});

test('a partition is not given up before a commit that somebody waits for is answered, on another stream if need be', async (t) => {
  const { cluster, time, client, write } = await world({ conditions: () => ({ delayMs: 20 }) });
  await write(20);
  const member = new Reading(client, { commit: 'manual' });
  await time.runUntil(() => member.values.length === 20, 30_000);
  const commits: Promise<void>[] = [];
  member.consumer.on('revoked', () => {
    commits.push(member.consumer.commit());
    for (const { address } of cluster.groupCoordinators) cluster.network.cut('app', address);
  });
  const next = new Reading(cluster.client('next'), { commit: 'manual' });
  await time.runUntil(() => next.owned.length === 2, 30_000);
  t.is(commits.length, 1);
  await time.run(Promise.all(commits));
  await time.run(sleep(time, 1_000));
  t.deepEqual(next.values, [], 'it begins behind what was committed');
});

test('a commit waits for a coordinator that is away, as long as the session lasts', async (t) => {
  const { cluster, time, write } = await world();
  await write(20);
  const member = new Reading(cluster.client('patient', 1_000), { commit: 'manual' });
  await time.runUntil(() => member.values.length === 20, 30_000);
  const beAwayFor = async (ms: number): Promise<void> => {
    for (const one of cluster.groupCoordinators) one.kill();
    await time.run(sleep(time, ms));
    for (const one of cluster.groupCoordinators) await time.run(one.start());
  };
  const committing = member.consumer.commit();
  await beAwayFor(20_000);
  await time.run(committing);
  t.deepEqual(member.events, ['assigned 0,1,2,3']);
  await write(20, 20);
  await time.runUntil(() => member.values.length === 40, 30_000);
  const late = t.throwsAsync(member.consumer.commit());
  await beAwayFor(60_000);
  const error = await time.run(late);
  t.true(hasReason(error, 'UNKNOWN_MEMBER'), String(error));
});
