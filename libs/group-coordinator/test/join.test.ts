import { MoldauError } from '@moldau/kernel';
import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import test from 'ava';
import { Member, Ownership } from './support/member.ts';
import { shardOfGroup, world } from './support/world.ts';

const method = GroupService.method;
const hello = { group: 'g', topics: ['t'] };

test('a member joins, is told how long its session is, and gets all there is', async (t) => {
  const { time, table, members, coordinator, channelTo, settled } = await world();
  table.give(21);
  const { address } = await coordinator(21);
  const member = new Member('a', hello).open(channelTo(address));
  members.add(member);
  await settled([member], 8);
  t.is(member.stream?.frames[0]?.case, 'welcome', 'before all else');
  t.is(member.stream?.of('welcome')[0]?.value.sessionTimeoutMs, 45_000);
  await time.runUntil(() => (member.stream?.of('pong') ?? []).length > 2);
});

test('members share, and what one leaves the others get: nothing ever has two owners', async (t) => {
  const { time, table, members, coordinator, channelTo, settled } = await world();
  table.give(21);
  const channel = channelTo((await coordinator(21)).address);
  const ownership = new Ownership();
  const all = ['a', 'b', 'c', 'd'].map((name) => new Member(name, hello, ownership));
  for (const member of all) {
    members.add(member.open(channel));
    await time.runFor(30);
  }
  await settled(all, 2);
  const [first, ...rest] = all;
  first?.say({ case: 'leave', value: {} });
  await time.runUntil(() => first?.stream?.isOver === true);
  if (first !== undefined) members.delete(first);
  for (const partition of first?.owned.keys() ?? []) ownership.give(partition, 'a');
  await time.runUntil(() => rest.reduce((sum, { owned }) => sum + owned.size, 0) === 8);
  t.deepEqual(rest.map(({ owned }) => owned.size).sort(), [2, 3, 3]);
  t.deepEqual(ownership.conflicts, []);
});

test('a member whose stream breaks comes back with no rebalance; one that stays away is removed', async (t) => {
  const { cluster, time, table, members, coordinator, channelTo, settled } = await world({ sessionTimeoutMs: 6_000 });
  table.give(21);
  const { address } = await coordinator(21);
  const [one, two] = [new Member('a', hello), new Member('b', hello)];
  for (const member of [one, two]) members.add(member.open(channelTo(address, member.name)));
  await settled([one, two], 4);
  const describe = () => time.run(channelTo(address, 'admin').unary(method.describeGroup, { group: 'g' }));
  const before = await describe();
  cluster.network.cut('a', address);
  await time.runUntil(() => one.stream?.isOver === true);
  await time.runFor(2_000);
  one.open(channelTo(address, 'a'));
  await time.runUntil(() => (one.stream?.of('assignment') ?? []).length === 1);
  await time.runFor(1_000);
  const after = await describe();
  t.is(after.groupEpoch, before.groupEpoch);
  t.deepEqual([one.owned.size, two.owned.size], [4, 4]);
  cluster.network.cut('a', address);
  members.delete(one);
  await time.runUntil(() => two.owned.size === 8, 10_000);
  t.is((await describe()).members.length, 1);
  one.open(channelTo(address, 'a'));
  await time.runUntil(() => one.fencedBy !== undefined);
  t.is(one.fencedBy, 'UNKNOWN_MEMBER');
});

test('a newer stream of a member ends the older one', async (t) => {
  const { time, table, members, coordinator, channelTo, settled } = await world();
  table.give(21);
  const channel = channelTo((await coordinator(21)).address);
  const member = new Member('a', hello).open(channel);
  members.add(member);
  await settled([member], 8);
  const older = member.stream;
  member.open(channel);
  await time.runUntil(() => older?.isOver === true);
  t.is(older?.frames.at(-1)?.case, 'fenced');
  await settled([member], 8);
});

test('a static member that comes back has what it had, and the one before it is fenced', async (t) => {
  const { time, table, members, coordinator, channelTo, settled } = await world();
  table.give(21);
  const channel = channelTo((await coordinator(21)).address);
  const still = { ...hello, instanceId: 'i' };
  const [one, two] = [new Member('a-1', still), new Member('b', hello)];
  for (const member of [one, two]) members.add(member.open(channel));
  await settled([one, two], 4);
  one.say({ case: 'leave', value: { comingBack: true } });
  await time.runUntil(() => one.stream?.isOver === true);
  await time.runFor(5_000);
  t.is(two.owned.size, 4, 'its partitions wait for it');
  const back = new Member('a-2', still).open(channel);
  members.add(back);
  await settled([back], 4);
  t.deepEqual([...back.owned.keys()].sort(), [...one.owned.keys()].sort());
  const thief = new Member('a-3', still).open(channel);
  await time.runUntil(() => back.fencedBy !== undefined && thief.stream?.of('assignment').length === 1);
  t.is(back.fencedBy, 'FENCED_INSTANCE');
});

test('whoever comes to the wrong process is sent to the right one', async (t) => {
  const { time, table, coordinator, channelTo } = await world();
  table.give(21);
  await coordinator(21);
  const { address } = await coordinator(22);
  const channel = channelTo(address);
  const member = new Member('a', hello).open(channel);
  await time.runUntil(() => member.stream?.isOver === true);
  t.is(member.stream?.of('redirect')[0]?.value.nodeId, 21);
  t.is((await time.run(channel.unary(method.findGroupCoordinator, { group: 'g' }))).nodeId, 21);
  const error = await t.throwsAsync(time.run(channel.unary(method.getOffsets, { group: 'g' })));
  t.like(error, { reason: 'NOT_COORDINATOR', retriable: true, fields: { coordinator: '21' } });
});

test('a shard moves: members go on at the new owner with no rebalance, and what was committed stays', async (t) => {
  const { time, client, topicId, table, members, coordinator, channelTo, settled } = await world();
  table.give(21);
  const [old, fresh] = [await coordinator(21), await coordinator(22)];
  const all = ['a', 'b'].map((name) => new Member(name, hello));
  for (const member of all) members.add(member.open(channelTo(old.address)));
  await settled(all, 4);
  const producer = client.producer({ topic: 't', linger: 0 });
  for (let i = 0; i < 5; i += 1) await time.run(producer.send({ partition: 0, value: 'v' }));
  const owner = all.find(({ owned }) => owned.has(`${topicId}/0`));
  owner?.commit(`${topicId}/0`, 5n);
  await time.runUntil(() => owner?.results.length === 1);
  t.deepEqual(owner?.results, ['1 committed']);
  const epochs = all.map(({ epoch }) => epoch);
  const owned = all.map((member) => [...member.owned.keys()].sort());

  table.give(22, [shardOfGroup('g')]);
  await time.runUntil(() => all.every(({ stream }) => stream?.isOver));
  for (const member of all) {
    t.is(member.stream?.of('redirect')[0]?.value.nodeId, 22);
    member.open(channelTo(fresh.address));
  }
  await time.runUntil(() => all.every(({ stream }) => (stream?.of('assignment').length ?? 0) > 0));
  await time.runFor(2_000);
  t.deepEqual(
    all.map(({ epoch }) => epoch),
    epochs,
  );
  t.deepEqual(
    all.map((member) => [...member.owned.keys()].sort()),
    owned,
  );
  t.is(owner?.committed.get(`${topicId}/0`), 5n);
  const { offsets } = await time.run(channelTo(fresh.address).unary(method.getOffsets, { group: 'g' }));
  t.deepEqual(
    offsets.map(({ offset }) => offset),
    [5n],
  );
});

/** A process that stood still while its shard got another owner, and still believes that the shard is its own. */
async function awakened() {
  const made = await world();
  const { time, table, coordinator, channelTo, members, settled } = made;
  table.give(21);
  const [old, fresh] = [await coordinator(21), await coordinator(22)];
  const member = new Member('a', hello).open(channelTo(old.address));
  members.add(member);
  await settled([member], 8);
  members.delete(member);
  old.pause();
  table.give(22, [shardOfGroup('g')]);
  await time.run(channelTo(fresh.address).unary(method.getOffsets, { group: 'g' }));
  old.resume();
  return { ...made, member, old };
}

test('a process that was paused while its shard moved answers no reader when it wakes', async (t) => {
  const { time, old, channelTo } = await awakened();
  const asked = channelTo(old.address, 'reader').unary(method.getOffsets, { group: 'g' });
  t.like(await t.throwsAsync(time.run(asked)), { reason: 'NOT_SERVING', outcome: 'NOT_WRITTEN' });
});

test('a process that was paused while its shard moved renews no session when it wakes', async (t) => {
  const { time, member } = await awakened();
  const pongs = member.stream?.of('pong').length;
  member.ping();
  await time.runUntil(() => member.stream?.isOver === true, 5_000);
  t.is(member.stream?.of('pong').length, pongs);
  t.is(member.stream?.frames.at(-1)?.case, 'redirect');
});

test('the owner hears of a move by the table: members are sent on at once', async (t) => {
  const { time, table, coordinator, channelTo, members, settled } = await world();
  table.give(21);
  const old = await coordinator(21);
  await coordinator(22);
  const member = new Member('a', hello).open(channelTo(old.address));
  members.add(member);
  await settled([member], 8);
  members.delete(member);
  table.give(22, [shardOfGroup('g')]);
  await time.runFor(20);
  t.is(member.stream?.of('redirect')[0]?.value.nodeId, 22);
  t.deepEqual(old.service.servedShards.includes(shardOfGroup('g')), false);
});

test('a last commit counts, though the partition is given up right behind it', async (t) => {
  const { time, client, topicId, table, coordinator, channelTo, members, settled } = await world();
  table.give(21);
  const channel = channelTo((await coordinator(21)).address);
  const producer = client.producer({ topic: 't', linger: 0 });
  for (let partition = 0; partition < 8; partition += 1) await time.run(producer.send({ partition, value: 'v' }));
  const [one, two] = [new Member('a', hello).open(channel), new Member('b', hello)];
  members.add(one);
  await settled([one], 8);
  members.delete(one);
  two.open(channel);
  await time.runUntil(() => one.stream?.of('assignment').some(({ value }) => value.revoke.length > 0) === true);
  const [given] = one.stream?.of('assignment').at(-1)?.value.revoke ?? [];
  one.commit(`${topicId}/${given?.partition}`, 1n);
  one.work();
  members.add(two);
  await settled([two], 4);
  t.deepEqual(one.results, ['1 committed']);
  t.is(two.committed.get(`${topicId}/${given?.partition}`), 1n, 'whoever gets it goes on from there');
});

test('a member that pings while its shard is loaded, however long that takes, is not called silent', async (t) => {
  const { cluster, time, table, members, coordinator, channelTo } = await world();
  const { address } = await coordinator(21);
  // What is written to the shard is not committed before they are back.
  for (const node of cluster.nodes.slice(1)) node.pause();
  table.give(21);
  const member = new Member('a', { group: 'g', topics: ['t'] }).open(channelTo(address));
  members.add(member);
  const second = async (): Promise<void> => {
    member.ping();
    await time.runFor(1_000);
  };
  for (let i = 0; i < 24; i += 1) await second();
  t.deepEqual([member.stream?.isOver, member.owned.size], [false, 0]);
  for (const node of cluster.nodes.slice(1)) node.resume();
  for (let i = 0; i < 60 && member.owned.size === 0; i += 1) await second();
  t.true(member.owned.size > 0, `${member.stream?.error}`);
});

test('bad frames get typed errors', async (t) => {
  const { time, table, coordinator, channelTo } = await world();
  table.give(21);
  const channel = channelTo((await coordinator(21)).address);
  const refused = async (member: Member) => {
    await time.runUntil(() => member.stream?.error !== undefined);
    const error = member.stream?.error;
    return error instanceof MoldauError ? error.reason : error;
  };
  t.is(await refused(new Member('', hello).open(channel)), 'INVALID_REQUEST');
  t.is(await refused(new Member('a', { ...hello, group: '' }).open(channel)), 'INVALID_REQUEST');
  t.is(await refused(new Member('a', { ...hello, topicRegex: '(' }).open(channel)), 'INVALID_REGEX');
  t.is(await refused(new Member('a', { ...hello, assignor: 'best' }).open(channel)), 'INVALID_REQUEST');
  t.is(await refused(new Member('a', { ...hello, rebalanceTimeoutMs: 1 }).open(channel)), 'INVALID_REQUEST');
  const early = new Member('a', hello);
  early.open(channel).open(channel);
  early.say({ case: 'hello', value: hello });
  t.is(await refused(early), 'INVALID_REQUEST');
});
