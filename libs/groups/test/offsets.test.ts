import { parseBytes } from '@moldau/config/values';
import { type LeaderEpoch, leaderEpoch, partitionIndex, partitionKey, randomName, topicId } from '@moldau/kernel';
import { groupsTopic } from '@moldau/metadata';
import { BatchBuilder } from '@moldau/records';
import { SeededRandom } from '@moldau/testing';
import test from 'ava';
import { encodeRecord, groupId, limits, memberId, TopicsView } from '../src/index.ts';
import { topicOf } from './support/model-shard.ts';
import { a, ack, at, b, commit, group, hello, sayStep, t0, t1, World } from './support/requests.ts';

const committed = (world: World): string => {
  const { reply } = world.after({ kind: 'get-offsets', group, partitions: undefined }).last;
  return reply.kind === 'offsets'
    ? [...reply.offsets]
        .map(([key, { offset }]) => `${key}@${offset}`)
        .sort()
        .join(' ')
    : '';
};
/** a has t-1 since epoch 1 and is in epoch 2, b has t-0 since epoch 2. */
const shared = (): World =>
  new World().after(hello(), ack(a, 1, [t0, t1]), hello(b), ack(a, 2, [t1]), ack(a, 3, [t1]), ack(b, 2, [t0]));

test('a commit counts from the epoch that the partition came with up to that of the member', (t) => {
  const cases: [member: typeof a, epoch: number, partition: typeof t0, counts: boolean][] = [
    [a, 0, t1, false],
    [a, 1, t1, true],
    [a, 2, t1, true],
    [a, 3, t1, false],
    [b, 1, t0, false],
    [b, 2, t0, true],
    [a, 1, t0, false],
    [a, 2, t0, false],
    [b, 2, t1, false],
  ];
  for (const [member, epoch, partition, counts] of cases) {
    const said = shared().say(commit(member, epoch, at(partition, 5)));
    t.is(said, counts ? 'committed; +offset' : 'committed STALE_MEMBER_EPOCH', `${member} ${epoch} ${partition}`);
  }
});

test('a partition that is being given up is committed a last time, and not after', (t) => {
  const world = new World().after(hello(), ack(a, 1, [t0, t1]), hello(b));
  t.is(world.say(commit(a, 1, at(t0, 5))), 'committed; +offset');
  world.after(ack(a, 2, [t1]));
  t.is(world.say(commit(a, 1, at(t0, 6))), 'committed STALE_MEMBER_EPOCH');
  t.is(committed(world), 't-0@5');
});

test('each partition is judged by itself', (t) => {
  const world = shared();
  const said = world.say(commit(a, 2, at(t0, 1), at(t1, 2)));
  t.is(said, 'committed STALE_MEMBER_EPOCH; +offset');
  t.is(committed(world), 't-1@2');
});

test('who is no member commits only where nobody is', (t) => {
  t.is(new World().say(commit(undefined, 0, at(t0, 5))), 'committed; +offset');
  t.is(shared().say(commit(undefined, 0, at(t0, 5))), 'refused GROUP_NOT_EMPTY');
  t.is(new World().say(commit(a, 1, at(t0, 5))), 'fenced UNKNOWN_MEMBER');
});

test('what can not be committed is refused, whoever commits it', (t) => {
  const say = (one: ReturnType<typeof at>): string => new World().say(commit(undefined, 0, one));
  t.is(say(at('u-0' as typeof t0, 1)), 'committed UNKNOWN_TOPIC');
  t.is(say(at('t-2' as typeof t0, 1)), 'committed UNKNOWN_PARTITION');
  t.is(say({ ...at(t0, 1), metadata: 'é'.repeat(2_049) }), 'committed INVALID_REQUEST');
  t.is(say({ ...at(t0, 1), metadata: 'é'.repeat(2_048) }), 'committed; +offset');
  // Each may be so long, and all of them together are still one batch of the log.
  const wordy = Array.from({ length: 65 }, () => ({ ...at(t0, 1), metadata: 'm'.repeat(4_096) }));
  t.is(new World().say(commit(undefined, 0, ...wordy)), 'refused INVALID_REQUEST');
  t.true(new World().say(commit(undefined, 0, ...wordy.slice(1))).startsWith('committed'));
  const many = Array.from({ length: limits.offsetsMax + 1 }, () => at(t0, 1));
  t.is(new World().say(commit(undefined, 0, ...many)), 'refused INVALID_REQUEST');
  t.is(new World().say({ ...commit(undefined, 0), group: groupId('x'.repeat(256)) }), 'refused INVALID_REQUEST');
});

test('offsets expire when nobody has been a member, and nobody has committed, for the retention; then the group does', (t) => {
  const world = shared().after(commit(a, 2, at(t1, 5)));
  world.after({ kind: 'leave', group, member: a, stream: 1, comingBack: false });
  for (let i = 0; i < 40; i += 1) world.wait(5_000).after({ kind: 'heard', group, member: b, stream: 2 });
  t.is(committed(world), 't-1@5', 'not while there are members');
  world.after({ kind: 'leave', group, member: b, stream: 2, comingBack: false });
  world.wait(99_999);
  t.is(committed(world), 't-1@5');
  world.after(commit(undefined, 0, at(t0, 7)));
  world.wait(1);
  t.is(sayStep(world.last), 'done; -offset');
  t.is(committed(world), 't-0@7', 'committed since');
  world.wait(100_000);
  t.is(sayStep(world.last), 'done; -head -offset');
  t.is(world.state.groups.size, 0);
});

test('a tick ends after many records, and the next one goes on', (t) => {
  const world = new World();
  world.after({ kind: 'topics-changed', topics: new TopicsView([topicOf('t', 1_500)]) });
  const all = Array.from({ length: 1_500 }, (_, i) => at(`t-${i}` as typeof t0, 1));
  world.after(commit(undefined, 0, ...all)).wait(100_000);
  t.is(world.last.records.length, 1_000);
  t.is(world.shard.nextDeadlineMs, world.now);
  t.is(world.wait(0).last.records.length, 500);
  world.after(commit(undefined, 0, ...all));
  t.is(world.say({ kind: 'topic-deleted', topic: topicId('t') }), 'forgotten; -offset');
  t.deepEqual(world.last.reply, { kind: 'forgotten', more: true });
  world.after({ kind: 'topic-deleted', topic: topicId('t') });
  t.deepEqual(world.last.reply, { kind: 'forgotten', more: false });
  t.is(world.state.groups.size, 0);
});

test('a group stands on so many partitions that its end is still one batch of the log', (t) => {
  const { positionsMax, offsetsMax } = limits;
  const random = new SeededRandom(3);
  // The worst there is: no two of one topic.
  const topics = Array.from({ length: positionsMax + 1 }, () => topicOf(randomName(random), 1));
  const partitions = topics.map(({ id }) => partitionKey(id, partitionIndex(0)));
  const world = new World().after({ kind: 'topics-changed', topics: new TopicsView(topics) });
  for (let i = 0; i < positionsMax; i += offsetsMax)
    world.after(commit(undefined, 0, ...partitions.slice(i, i + offsetsMax).map((partition) => at(partition, 1))));
  const [first, last] = [partitions[0] ?? t0, partitions[positionsMax] ?? t0];
  t.is(world.say(commit(undefined, 0, at(first, 2), at(last, 1))), 'committed INVALID_REQUEST; +offset');
  const { records } = world.after({ kind: 'delete', group, validateOnly: false }).last;
  t.is(records.length, positionsMax);
  const builder = new BatchBuilder();
  for (const record of records) builder.add({ ...encodeRecord(record), timestampMs: 1 });
  const bytes = builder.build('lz4', { id: 1n, epoch: 1, baseSequence: 0 }).length;
  t.true(bytes < parseBytes(groupsTopic.config['max.batch.bytes']), `${bytes}`);
});

test('what is shared in one group is one batch of the log: more is refused, and what comes later is left out', (t) => {
  const { partitionsMax } = limits;
  const random = new SeededRandom(4);
  // The worst there is: no two of one topic.
  const topics = Array.from({ length: partitionsMax }, () => ({ ...topicOf(randomName(random), 1) }));
  const world = new World().after({ kind: 'topics-changed', topics: new TopicsView(topics) });
  const everything = { topics: [], regex: '.*' };
  const builder = new BatchBuilder();
  for (const record of world.after(hello(a, everything)).last.records)
    builder.add({ ...encodeRecord(record), timestampMs: 1 });
  const bytes = builder.build('lz4', { id: 1n, epoch: 1, baseSequence: 0 }).length;
  t.true(bytes < parseBytes(groupsTopic.config['max.batch.bytes']), `${bytes}`);
  t.is(world.state.open(group).holding(a)?.held.size, partitionsMax);
  world.after({ kind: 'topics-changed', topics: new TopicsView([...topics, topicOf('zzz', 2)]) });
  world.wait(0);
  t.is(world.state.open(group).target(a).size, partitionsMax);
  t.regex(world.say(hello(b, everything)), /^done/, 'whoever wants what the group has may come');
  t.is(world.say(hello(memberId('c'), { topics: ['zzz'] })), 'refused INVALID_REQUEST');
});

test('a shard has so many groups and positions, and no more; what goes makes room', (t) => {
  const { groupsMax, shardPositionsMax, positionsMax, offsetsMax } = limits;
  const commitIn = (id: string, ...offsets: ReturnType<typeof at>[]) => ({
    ...commit(undefined, 0, ...offsets),
    group: groupId(id),
  });
  const many = new World();
  for (let i = 0; i < groupsMax; i += 1) many.after(commitIn(`g${i}`, at(t0, 1)));
  t.is(many.say(commitIn('one more', at(t0, 1))), 'refused OVERLOADED');
  t.is(many.say(hello()), 'refused OVERLOADED');
  t.is(many.say(commitIn('g1', at(t1, 1))), 'committed; +offset');
  many.after({ kind: 'delete', group: groupId('g0'), validateOnly: false });
  t.is(many.say(commitIn('one more', at(t0, 1))), 'committed; +offset');

  const large = new World().after({ kind: 'topics-changed', topics: new TopicsView([topicOf('t', positionsMax)]) });
  const key = (partition: number) => partitionKey(topicId('t'), partitionIndex(partition));
  const whole = (from: number) => Array.from({ length: offsetsMax }, (_, i) => at(key(from + i), 1));
  for (let i = 0; i < shardPositionsMax; i += offsetsMax)
    large.after(commitIn(`g${Math.floor(i / positionsMax)}`, ...whole(i % positionsMax)));
  t.is(large.say(commitIn('small', at(key(0), 1))), 'committed OVERLOADED');
  t.is(large.say(commitIn('g0', at(key(0), 2))), 'committed; +offset');
  large.after({ kind: 'delete', group: groupId('g1'), validateOnly: false });
  t.is(large.say(commitIn('small', at(key(0), 1))), 'committed; +offset');
});

test('a commit of one offset is one small record', (t) => {
  const world = shared().after(commit(a, 2, { ...at(t1, 1_000_000), leaderEpoch: leaderEpoch(7) as LeaderEpoch }));
  t.is(world.last.records.length, 1);
  const [record] = world.last.records;
  const encoded = record === undefined ? undefined : encodeRecord(record);
  t.true(encoded !== undefined && encoded.key.length + (encoded.value?.length ?? 0) < 30);
});

test('who joins rewrites what changes, and nothing of others', (t) => {
  const world = new World({ membersMax: 100 });
  world.after({ kind: 'topics-changed', topics: new TopicsView([topicOf('t', 100)]) });
  for (let i = 0; i < 50; i += 1) world.after(hello(`m${i}` as typeof a, { stream: 10 + i }));
  world.after(hello(`z` as typeof a, { stream: 99 }));
  const others = world.last.records.filter(
    (record) => record.kind !== 'head' && 'member' in record && record.member !== 'z',
  );
  // It takes one or two partitions: two records for each member that gives one up.
  t.true(others.length <= 4, `${others.length} records of others`);
});
