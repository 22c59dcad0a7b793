import { GroupService } from '@moldau/proto/moldau/group/v1/group_pb';
import test from 'ava';
import { Member } from './support/member.ts';
import { world } from './support/world.ts';

const method = GroupService.method;
const hello = { group: 'g', topics: ['t'] };

async function withRecords() {
  const made = await world();
  const { time, client, table, coordinator, channelTo } = made;
  table.give(21);
  const channel = channelTo((await coordinator(21)).address);
  const producer = client.producer({ topic: 't', linger: 0 });
  for (let i = 0; i < 10; i += 1) await time.run(producer.send({ partition: 0, value: 'v', timestampMs: 1_000 * i }));
  return { ...made, channel };
}

test('commits: by the owner under its epoch, not beyond the end, and not by others while there are members', async (t) => {
  const { time, topicId, members, channel, settled } = await withRecords();
  const member = new Member('a', hello).open(channel);
  members.add(member);
  await settled([member], 8);
  const name = `${topicId}/0`;
  member.commit(name, 4n, 1n);
  member.commit(name, 11n, 2n);
  member.commit(name, 10n, 3n);
  member.commit(name, 10n, 4n, (member.epoch ?? 0) + 1);
  await time.runUntil(() => member.results.length === 4);
  t.deepEqual(member.results, ['1 committed', '2 OFFSET_OUT_OF_RANGE', '3 committed', '4 STALE_MEMBER_EPOCH']);
  const partition = { topicId, partition: 0 };
  const commit = (request: object) =>
    time.run(channel.unary(method.commitOffsets, { group: 'g', offsets: [{ partition, offset: 7n }], ...request }));
  t.like(await t.throwsAsync(commit({})), { reason: 'GROUP_NOT_EMPTY' });
  t.like(await t.throwsAsync(commit({ memberId: 'x', memberEpoch: 1 })), { reason: 'UNKNOWN_MEMBER' });
  t.like(await t.throwsAsync(commit({ memberId: 'x' })), { reason: 'INVALID_REQUEST' });
  t.deepEqual((await commit({ memberId: 'a', memberEpoch: member.epoch })).failures, []);
  // As many as a commit may have.
  const many = Array.from({ length: 10_000 }, (_, i) => ({ partition: { topicId, partition: 100 + i }, offset: 7n }));
  const refused = await commit({ memberId: 'a', memberEpoch: member.epoch, offsets: many });
  t.is(refused.failures.length, 10_000);
  const get = () => time.run(channel.unary(method.getOffsets, { group: 'g' }));
  t.deepEqual(
    (await get()).offsets.map(({ offset, partition: of }) => [of?.partition, offset]),
    [[0, 7n]],
  );
  t.deepEqual((await time.run(channel.unary(method.getOffsets, { group: 'unknown' }))).offsets, []);
  t.like(await t.throwsAsync(time.run(channel.unary(method.getOffsets, { group: '' }))), { reason: 'INVALID_REQUEST' });
});

test('a group without members: committed to by anybody, sought, described with its lag, listed and deleted', async (t) => {
  const { time, client, topicId, channel } = await withRecords();
  const partition = { topicId, partition: 0 };
  const commit = (offset: bigint) =>
    time.run(channel.unary(method.commitOffsets, { group: 'g', offsets: [{ partition, offset }] }));
  t.deepEqual((await commit(6n)).failures, []);
  t.is((await commit(60n)).failures[0]?.error?.fields.end, '10');
  const describe = () => time.run(channel.unary(method.describeGroup, { group: 'g' }));
  const [lag] = (await describe()).lag;
  t.like(lag, { records: 4n, endOffset: 10n });
  t.is(Number(lag?.behindMs) - time.wallMs() + 6_000, 0, 'since the first record that is not read was written');
  await time.run(client.admin.trimPartition('t', 0, 8n));
  t.like((await describe()).lag[0], { records: 2n }, 'what is gone is not behind');

  const seek = (to: object, more: object = {}) =>
    time.run(channel.unary(method.seekGroup, { group: 'g', targets: [{ partition, to } as never], ...more }));
  const position = (at: object) => ({ case: 'position', value: { at } });
  const sought = async (to: object, more: object = {}) => (await seek(to, more)).offsets[0]?.offset;
  t.is(await sought(position({ case: 'latest', value: {} }), { validateOnly: true }), 10n);
  t.like((await describe()).lag[0], { records: 2n }, 'a dry run changes nothing');
  t.is(await sought(position({ case: 'timestampMs', value: 9_000n })), 9n);
  t.is(await sought({ case: 'shift', value: -100n }), 8n, 'no further than the log goes');
  t.is(await sought({ case: 'shift', value: 1n }), 9n);
  t.is(await sought(position({ case: 'latest', value: {} })), 10n);
  t.like((await describe()).lag[0], { records: 0n, behindMs: 0n });
  t.like(await t.throwsAsync(seek(position({ case: 'offset', value: 11n }))), { reason: 'OFFSET_OUT_OF_RANGE' });
  t.like(await t.throwsAsync(seek({ case: undefined })), { reason: 'INVALID_REQUEST' });

  const list = (request: object = {}) => time.run(channel.unary(method.listGroups, request));
  for (const group of ['f', 'h', 'i'])
    await time.run(channel.unary(method.commitOffsets, { group, offsets: [{ partition, offset: 9n }] }));
  t.deepEqual((await list()).groups, ['f', 'g', 'h', 'i']);
  const { groups, nextPageToken } = await list({ pageSize: 3 });
  t.deepEqual([groups, (await list({ pageSize: 3, pageToken: nextPageToken })).groups], [['f', 'g', 'h'], ['i']]);
  const remove = (request: object = {}) => time.run(channel.unary(method.deleteGroup, { group: 'g', ...request }));
  await remove({ validateOnly: true });
  await remove();
  t.like(await t.throwsAsync(remove()), { reason: 'UNKNOWN_GROUP' });
  t.like(await t.throwsAsync(describe()), { reason: 'UNKNOWN_GROUP' });
});

test('a topic that was just made may be committed to at once', async (t) => {
  const { time, client, channel } = await withRecords();
  for (let i = 0; i < 5; i += 1) {
    const { id } = await time.run(client.admin.createTopic({ name: `new-${i}`, partitions: 1 }));
    const offsets = [{ partition: { topicId: id, partition: 0 }, offset: 0n }];
    // Where its leader is nobody may know yet: that is no reason to refuse.
    const { failures } = await time.run(channel.unary(method.commitOffsets, { group: `g${i}`, offsets }));
    t.deepEqual(failures, []);
  }
});

test('a seek waits until nobody is a member, unless it is forced', async (t) => {
  const { topicId, time, members, channel, settled } = await withRecords();
  const member = new Member('a', hello).open(channel);
  members.add(member);
  await settled([member], 8);
  const targets = [
    { partition: { topicId, partition: 0 }, to: { case: 'position', value: { at: { case: 'earliest', value: {} } } } },
  ] as never;
  const seek = (force: boolean) => time.run(channel.unary(method.seekGroup, { group: 'g', targets, force }));
  t.like(await t.throwsAsync(seek(false)), { reason: 'GROUP_NOT_EMPTY' });
  t.is((await seek(true)).offsets[0]?.offset, 0n);
});

test('what is committed in a topic that is deleted goes with it', async (t) => {
  const { time, client, topicId, channel } = await withRecords();
  const partition = { topicId, partition: 0 };
  await time.run(channel.unary(method.commitOffsets, { group: 'g', offsets: [{ partition, offset: 3n }] }));
  await time.run(client.admin.deleteTopic('t'));
  await time.runFor(2_000);
  t.deepEqual((await time.run(channel.unary(method.getOffsets, { group: 'g' }))).offsets, []);
});

test('a list waits for shards that are being loaded, and says which shards it tells of', async (t) => {
  const { time, topicId, table, channel } = await withRecords();
  const offsets = [{ partition: { topicId, partition: 0 }, offset: 7n }];
  await time.run(channel.unary(method.commitOffsets, { group: 'g', offsets }));
  const list = () => time.run(channel.unary(method.listGroups, {}));
  t.like(await list(), { groups: ['g'], shards: [0, 1, 2, 3] });
  // Under a new epoch all begins anew.
  table.give(21);
  t.like(await list(), { groups: ['g'], shards: [0, 1, 2, 3] });
  table.give(22, [1]);
  await time.runFor(1_000);
  t.deepEqual((await list()).shards, [0, 2, 3]);
});
