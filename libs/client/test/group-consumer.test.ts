import { hasReason, sleep } from '@moldau/kernel';
import { SimulatedProcess } from '@moldau/testing';
import test from 'ava';
import { numbers, Reading, sorted, world } from './support/group-world.ts';

test('one member has all, two share, and who leaves hands over what it has done', async (t) => {
  const { time, client, write } = await world();
  await write(100);
  const a = new Reading(client);
  await time.runUntil(() => a.values.length === 100, 30_000);
  t.deepEqual(a.owned, [0, 1, 2, 3]);
  const b = new Reading(client);
  await time.runUntil(() => b.owned.length === 2 && a.owned.length === 2, 30_000);
  t.deepEqual(b.values, [], 'what was done was committed before it was given up');
  await write(100, 100);
  await time.runUntil(() => a.values.length + b.values.length === 200, 30_000);
  await time.run(a.consumer.close());
  await a.over;
  await time.runUntil(() => b.owned.length === 4, 30_000);
  await write(20, 200);
  await time.runUntil(() => a.values.length + b.values.length >= 220, 30_000);
  t.deepEqual(sorted([...a.values, ...b.values]), numbers(220), 'each once');
  await time.run(b.consumer.close());
  t.is(a.failure ?? b.failure, undefined);
  const committed = await time.run(client.admin.describeGroup('g'));
  t.deepEqual(
    committed.positions.map(({ lag }) => lag),
    [0n, 0n, 0n, 0n],
  );
  t.deepEqual(committed.members, []);
});

test('a member that dies is replaced when its session has ended; what it had not committed comes again', async (t) => {
  const { cluster, time, client, write } = await world();
  await write(40);
  const other = cluster.client('other');
  const a = new Reading(client);
  const b = new Reading(other, { commit: 'manual' });
  await time.runUntil(() => a.owned.length === 2 && b.owned.length === 2, 30_000);
  await time.runUntil(() => a.values.length + b.values.length === 40, 30_000);
  await time.run(b.consumer.commit().then(() => a.consumer.commit()));
  await write(40, 40);
  await time.runUntil(() => a.values.length + b.values.length === 80, 30_000);
  cluster.network.freeze('other');
  const before = a.values.length;
  await time.runUntil(() => a.owned.length === 4, 60_000);
  t.false(
    a.events.some((event) => event.startsWith('revoked')),
    'it keeps what it has',
  );
  await time.runUntil(() => a.values.length > before, 30_000);
  const again = a.values.slice(before);
  t.true(
    again.every((value) => b.values.includes(value) && Number(value) >= 40),
    'behind the last commit alone',
  );
  t.deepEqual(sorted([...new Set([...a.values, ...b.values])]), numbers(80));
});

test('the group coordinator dies: members go on at another one, without a rebalance', async (t) => {
  const { cluster, time, client, write } = await world();
  await write(20);
  const a = new Reading(client);
  const b = new Reading(client);
  await time.runUntil(() => a.owned.length === 2 && b.owned.length === 2, 30_000);
  await time.runUntil(() => a.values.length + b.values.length === 20, 30_000);
  const { epoch } = await time.run(client.admin.describeGroup('g'));
  const events = [a.events.length, b.events.length];
  cluster.groupCoordinator(1).kill();
  await time.runUntil(() => cluster.groupCoordinator(2).service.servedShards.length === 16, 60_000);
  await write(20, 20);
  await time.runUntil(() => a.values.length + b.values.length === 40, 30_000);
  await time.run(Promise.all([a.consumer.commit(), b.consumer.commit()]));
  t.is((await time.run(client.admin.describeGroup('g'))).epoch, epoch);
  t.deepEqual([a.events.length, b.events.length], events);
});

test('a member whose process stood still longer than its session has lost everything, and says so', async (t) => {
  const { cluster, time, write } = await world();
  await write(8);
  const process = new SimulatedProcess(time);
  const sleeper = cluster.client('sleeper', 30_000, process.timers);
  const a = new Reading(sleeper, { commit: 'manual' });
  await time.runUntil(() => a.values.length === 8, 30_000);
  const { memberId } = a.consumer;
  process.pause();
  cluster.network.freeze('sleeper');
  const wakesAt = time.monotonicMs() + 60_000;
  await time.runUntil(() => time.monotonicMs() >= wakesAt, 70_000);
  cluster.network.thaw('sleeper');
  const committing = t.throwsAsync(a.consumer.commit());
  process.resume();
  const error = await time.run(committing);
  t.true(hasReason(error, 'UNKNOWN_MEMBER'), String(error));
  t.true(a.events.includes('lost 0,1,2,3'), a.events.join('; '));
  await time.runUntil(() => a.owned.length === 4, 120_000);
  t.not(a.consumer.memberId, memberId);
  t.is(a.failure, undefined);
});

test('a member that wakes late inside its loop is given nothing more of what it had, however late its timers are', async (t) => {
  const { cluster, time, write } = await world();
  await write(40);
  const process = new SimulatedProcess(time);
  const sleeper = cluster.client('sleeper', 30_000, process.timers);
  const woken = Promise.withResolvers<void>();
  const a = new Reading(sleeper, {}, () => (a.values.length === 10 ? woken.promise : undefined));
  await time.runUntil(() => a.values.length === 10, 30_000);
  process.pause();
  cluster.network.freeze('sleeper');
  const wakesAt = time.monotonicMs() + 60_000;
  await time.runUntil(() => time.monotonicMs() >= wakesAt, 70_000);
  // Its timers have not told it yet: the loop turns first.
  woken.resolve();
  const looksAt = time.monotonicMs() + 1;
  await time.runUntil(() => time.monotonicMs() >= looksAt, 1_000);
  t.is(a.values.length, 10);
  t.true(a.events.includes('lost 0,1,2,3'), a.events.join('; '));
  cluster.network.thaw('sleeper');
  process.resume();
  await time.runUntil(() => a.values.length === 50, 120_000);
  t.deepEqual(sorted(a.values.slice(10)), numbers(40), 'as a new member it begins where the group stands');
});

test('what comes to a member that is closing is not read: it is about to say that it leaves', async (t) => {
  const { time, client, write } = await world();
  const a = new Reading(client);
  const b = new Reading(client);
  await time.runUntil(() => a.owned.length === 2 && b.owned.length === 2, 30_000);
  // It takes its time; meanwhile what the other one had comes to it.
  a.consumer.on('revoked', () => sleep(time, 3_000));
  const closing = a.consumer.close();
  await time.run(b.consumer.close());
  await write(40);
  await time.run(closing.then(() => a.over));
  t.deepEqual(a.values, []);
  t.deepEqual(a.owned, []);
});

test('a group that began at the end goes on from there, though it had nothing to handle', async (t) => {
  const { time, client, write } = await world();
  await write(40);
  const a = new Reading(client, { from: 'end' });
  await time.runUntil(() => a.owned.length === 4, 30_000);
  await time.runUntil(() => a.consumer.isAtEnd, 30_000);
  await time.run(a.consumer.close());
  await write(40, 40);
  const b = new Reading(client, { from: 'end' });
  await time.runUntil(() => b.values.length === 40, 30_000);
  t.deepEqual(sorted(b.values), numbers(40, 40));
});

test('who goes on behind what a log has lost is told: what stands there now is not what was read', async (t) => {
  const { time, client, cluster, served } = await world();
  const config = { flush: 'interval', 'flush.interval': '10m' };
  await time.run(client.admin.createTopic({ name: 'u', partitions: 1, config }));
  const write = async (count: number): Promise<void> => {
    await using producer = client.producer({ topic: 'u', linger: 0 });
    for (let i = 0; i < count; i += 1) await producer.send({ value: `${i}` });
  };
  const end = async () => Number((await time.run(client.admin.listOffsets('u', 'end')))[0]?.offset);
  await time.run(write(10));
  const before = new Reading(client, { topics: ['u'] });
  await time.runUntil(() => before.values.length === 10, 30_000);
  await time.run(before.consumer.close());
  cluster.node().kill('power');
  await time.run(cluster.node().start());
  await time.runUntil(() => served() === 16, 120_000);
  t.true((await end()) < 10, 'what was not synced is gone');
  await time.run(write(20));
  const after = new Reading(client, { topics: ['u'] });
  await time.runUntil(() => after.failure !== undefined || after.values.length > 0, 60_000);
  t.like(after.failure, { reason: 'DIVERGED' });
  await time.run(after.consumer.close());
});
