import { type NodeEpoch, nodeEpoch, nodeId } from '@moldau/kernel';
import { groupsTopicReplicas, type NodeStart, spreadShards } from '@moldau/metadata';
import { SeededRandom } from '@moldau/testing';
import test from 'ava';

type Owners = (NodeStart | undefined)[];

const owner = (node: number, start: NodeEpoch | number = 1): NodeStart => ({
  node: nodeId(node),
  start: nodeEpoch(BigInt(start)),
});
const none = (shards: number): Owners => Array.from({ length: shards }, () => undefined);
const after = (owners: Owners, live: readonly NodeStart[]): Owners => {
  const next = [...owners];
  for (const { shard, to } of spreadShards(owners, live)) next[shard] = to;
  return next;
};
const shown = (owners: Owners): string => owners.map((one) => one?.node ?? '-').join('');

test('shards are spread evenly, by node id', (t) => {
  t.is(shown(after(none(16), [owner(7)])), '7'.repeat(16));
  t.is(shown(after(none(6), [owner(3), owner(1)])), '111333');
  t.is(shown(after(none(5), [owner(1), owner(2), owner(3)])), '11223');
  t.is(shown(after(none(2), [owner(1), owner(2), owner(3)])), '12');
});

test('without anybody who lives nothing moves', (t) => {
  t.deepEqual(spreadShards(after(none(4), [owner(1)]), []), []);
});

test('the shards of one that is gone go to the others, and no others move', (t) => {
  const before = after(none(9), [owner(1), owner(2), owner(3)]);
  t.is(shown(before), '111222333');
  t.is(shown(after(before, [owner(1), owner(3)])), '111113333');
});

test('one that comes takes from those that have the most', (t) => {
  const before = after(none(7), [owner(1), owner(2)]);
  t.is(shown(before), '1111222');
  t.is(shown(after(before, [owner(1), owner(2), owner(3)])), '1113223');
});

test('a new start of the only one gets all of them anew', (t) => {
  const before = after(none(4), [owner(1, 5)]);
  t.deepEqual(
    after(before, [owner(1, 6)]),
    Array.from({ length: 4 }, () => owner(1, 6)),
  );
});

test('the topic has as many copies as others, and no more than three', (t) => {
  t.deepEqual([1, 2, 3, 5].map(groupsTopicReplicas), [1, 2, 3, 3]);
});

test('whatever comes and goes: even, complete, no move too many, and the same for the same image', (t) => {
  const seed = Number(process.env.MOLDAU_SEED ?? Math.floor(Math.random() * 1e6));
  t.log(`MOLDAU_SEED=${seed}`);
  const random = new SeededRandom(seed);
  for (let run = 0; run < 300; run += 1) {
    const shards = 1 + random.below(20);
    let owners = none(shards);
    const starts = new Map<number, number>();
    for (let change = 0; change < 12; change += 1) {
      const node = 1 + random.below(7);
      if (starts.has(node) && random.chance(0.6)) starts.delete(node);
      else starts.set(node, change + 1);
      const live = [...starts].map(([id, start]) => owner(id, start));
      const next = after(owners, live);
      const why = `run ${run}, change ${change}: ${shown(owners)} to ${shown(next)}`;
      t.deepEqual(after(owners, [...live].reverse()), next, why);
      if (live.length === 0) {
        t.deepEqual(next, owners, why);
        continue;
      }
      const isOf = (one: NodeStart | undefined, who: NodeStart) => one?.node === who.node && one.start === who.start;
      const counts = live.map((who) => next.filter((one) => isOf(one, who)).length);
      t.is(
        counts.reduce((sum, count) => sum + count, 0),
        shards,
        why,
      );
      t.true(Math.max(...counts) - Math.min(...counts) <= 1, why);
      const least = Math.floor(shards / live.length);
      const had = live.map((who) => owners.filter((one) => isOf(one, who)).length).sort((a, b) => b - a);
      const mayKeep = had.reduce(
        (sum, count, i) => sum + Math.min(count, least + (i < shards % live.length ? 1 : 0)),
        0,
      );
      t.is(next.filter((one, i) => one !== undefined && owners[i] === one).length, mayKeep, why);
      owners = next;
    }
  }
});
