import type { Meter } from '@moldau/kernel';
import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import test from 'ava';
import { Member } from './support/member.ts';
import { shardOfGroup, world } from './support/world.ts';

const method = GroupService.method;

/** What is shown now, as `name label …`. */
function shownBy(): { meter: Meter; shown: Map<string, number> } {
  const shown = new Map<string, number>();
  const keyOf = (name: string, labels: Readonly<Record<string, string>> = {}): string =>
    [name.replace('moldau_group_', ''), ...Object.values(labels)].join(' ');
  const add = (key: string, more: number): unknown => shown.set(key, (shown.get(key) ?? 0) + more);
  const meter: Meter = {
    counter: (name, _, labels) => ({ add: (amount = 1) => add(keyOf(name, labels), amount) }),
    gauge: (name, _, labels) => {
      const key = keyOf(name, labels);
      return { set: (value) => shown.set(key, value), drop: () => shown.delete(key) };
    },
    histogram: (name, _, __, labels) => ({
      observe: (value) => {
        add(`${keyOf(name, labels)} count`, 1);
        add(`${keyOf(name, labels)} sum`, value);
      },
    }),
  };
  return { meter, shown };
}

async function measured() {
  const made = await world();
  const { time, client, table, coordinator, channelTo } = made;
  const { meter, shown } = shownBy();
  table.give(21);
  const { address } = await coordinator(21, meter);
  const producer = client.producer({ topic: 't', linger: 0 });
  for (let i = 0; i < 10; i += 1) await time.run(producer.send({ partition: 0, value: 'v' }));
  const lags = (kind: string): string[] => [...shown.keys()].filter((key) => key.startsWith(`lag_${kind} `));
  return { ...made, channel: channelTo(address), shown, lags };
}

test('shards, groups, members, commits and rebalances are counted', async (t) => {
  const { time, topicId, table, members, channel, settled, shown, coordinator } = await measured();
  const all = ['a', 'b'].map((name) => new Member(name, { group: 'g', topics: ['t'] }));
  for (const member of all) members.add(member.open(channel));
  await settled(all, 4);
  const owner = all.find(({ owned }) => owned.has(`${topicId}/0`));
  owner?.commit(`${topicId}/0`, 4n, 1n);
  owner?.commit(`${topicId}/0`, 11n, 2n);
  owner?.commit(`${topicId}/0`, 10n, 3n, (owner.epoch ?? 0) + 1);
  await time.runUntil(() => owner?.results.length === 3);
  await time.runFor(1_100);
  const of = (name: string): number | undefined => shown.get(`coordinator_${name}`);
  t.deepEqual([of('shards served'), of('shards loading'), of('groups'), of('members')], [4, 0, 1, 2]);
  t.deepEqual(
    [of('commits_total OK'), of('commits_total OFFSET_OUT_OF_RANGE'), of('commits_total STALE_MEMBER_EPOCH')],
    [1, 1, 1],
  );
  // Both came at once, or the second was one more.
  t.true([1, 2].includes(of('rebalances_total') ?? 0));
  const before = of('rebalances_total') ?? 0;
  const took = of('rebalance_seconds sum') ?? 0;
  t.true(took <= 2 * (of('rebalance_seconds count') ?? 0));

  // One that does not give up what it has keeps the third waiting.
  const third = new Member('c', { group: 'g', topics: ['t'] });
  for (const member of all) members.delete(member);
  members.add(third.open(channel));
  await time.runFor(5_000);
  const fourth = new Member('d', { group: 'g', topics: ['t'] }).open(channel);
  members.add(fourth);
  await time.runFor(2_000);
  t.is(of('rebalances_total'), before + 2);
  t.is(of('rebalance_seconds sum'), took, 'it is not over');
  for (const member of all) members.add(member);
  await time.runUntil(() => third.owned.size === 2 && fourth.owned.size === 2);
  await time.runFor(1_100);
  t.true((of('rebalance_seconds sum') ?? 0) >= took + 7, 'the second made the first longer');

  table.give(22, [shardOfGroup('g')]);
  await coordinator(22);
  await time.runFor(1_100);
  t.deepEqual([of('shards served'), of('groups'), of('members')], [3, 0, 0]);
  t.deepEqual([of('shard_moves_total in'), of('shard_moves_total out')], [4, 1]);
});

test('lag is shown for as long as there is a group here that has it', async (t) => {
  const { time, topicId, channel, shown, lags } = await measured();
  const commit = (group: string, offset: bigint) =>
    time.run(
      channel.unary(method.commitOffsets, { group, offsets: [{ partition: { topicId, partition: 0 }, offset }] }),
    );
  await commit('behind', 4n);
  await commit('done', 10n);
  await time.runFor(31_000);
  t.is(shown.get('lag_records behind t 0'), 6);
  t.true((shown.get('lag_seconds behind t 0') ?? 0) >= 25);
  t.deepEqual([shown.get('lag_records done t 0'), shown.get('lag_seconds done t 0')], [0, 0]);
  t.deepEqual([lags('records').length, shown.get('lag_left_out')], [2, 0]);
  await time.run(channel.unary(method.deleteGroup, { group: 'behind' }));
  await time.runFor(31_000);
  t.deepEqual([lags('records'), lags('seconds')], [['lag_records done t 0'], ['lag_seconds done t 0']]);
});

test('users may make as many groups as they like: a thousand positions are shown, and it is said how many are not', async (t) => {
  const { time, topicId, channel, shown, lags } = await measured();
  const offsets = Array.from({ length: 8 }, (_, partition) => ({ partition: { topicId, partition }, offset: 0n }));
  await time.run(
    Promise.all(
      Array.from({ length: 130 }, (_, i) => channel.unary(method.commitOffsets, { group: `g${i}`, offsets })),
    ),
  );
  await time.runFor(40_000);
  t.deepEqual([lags('records').length, lags('seconds').length, shown.get('lag_left_out')], [1_000, 1_000, 40]);
});
