import { InternalLogService } from '@moldau/proto/moldau/internal/v1/log_pb';
import { LogService } from '@moldau/proto/moldau/log/v1/log_pb';
import { fromWireError } from '@moldau/rpc';
import { askForGroups, Collected, type CollectedAppends } from '@moldau/testing';
import test from 'ava';
import { appendSession, batchOf, nodeWithTopic } from './support.ts';

/** A node with topic `t`, and a group coordinator, for whose sake there is `__groups`. */
async function withGroups() {
  const world = await nodeWithTopic();
  const { cluster, channel } = world;
  const { time } = cluster;
  await time.run(askForGroups(cluster.network.dialer('groups').dial(cluster.coordinator().address, 'control')));
  const groups = () => [...cluster.node().service.partitions].filter(({ topic }) => topic === '__groups');
  await time.runUntil(() => groups().length === 16 && groups().every(({ role }) => role.kind === 'leader'), 20_000);
  const [partition] = groups();
  if (partition === undefined) throw new Error('there is no partition');
  const owner: CollectedAppends = new Collected(channel.session(InternalLogService.method.appendSession));
  return { ...world, owner, partition };
}

const movedFor = (session: CollectedAppends) =>
  session.of('moved').map(({ value }) => value.error && fromWireError(value.error));

test('users write nothing to internal topics, and trim nothing there', async (t) => {
  const { cluster, channel, partition } = await withGroups();
  const { time } = cluster;
  const { topicId } = partition.log.identity;
  const session = appendSession(channel);
  session.send({ frame: { case: 'open', value: { handle: 1, topicId, partition: 0, fencingToken: 9n } } });
  session.send({
    frame: { case: 'batches', value: { entries: [{ handle: 1, sequence: 0n, batch: batchOf(['a']) }] } },
  });
  await time.runUntil(() => session.of('acks').length === 1);
  t.like(movedFor(session)[0], { reason: 'PERMISSION_DENIED', outcome: 'NOT_WRITTEN' });
  const records = [{ value: Buffer.from('a') }];
  const append = channel.unary(LogService.method.append, { topic: '__groups', partition: 0, records });
  t.like(await t.throwsAsync(time.run(append)), { reason: 'PERMISSION_DENIED' });
  const trim = channel.unary(LogService.method.trimPartition, { topic: '__groups', partition: 0, beforeOffset: 0n });
  t.like(await t.throwsAsync(time.run(trim)), { reason: 'PERMISSION_DENIED' });
  t.is(partition.log.fencingToken, undefined);
  t.is(partition.log.logEnd as bigint, 0n);
});

test('its owner writes to an internal topic under its token, and to no other topic', async (t) => {
  const { cluster, owner, topicId, partition } = await withGroups();
  const { identity } = partition.log;
  const { partition: index } = identity;
  owner.send({
    frame: { case: 'open', value: { handle: 1, topicId: identity.topicId, partition: index, fencingToken: 9n } },
  });
  owner.send({
    frame: { case: 'batches', value: { entries: [{ handle: 1, sequence: 0n, batch: batchOf(['a']) }] } },
  });
  owner.send({ frame: { case: 'open', value: { handle: 2, topicId, partition: 0 } } });
  await cluster.time.runUntil(() => owner.of('acks').length === 1 && owner.of('moved').length === 1);
  t.like(owner.of('opened')[0]?.value, { handle: 1, fencingToken: 9n, raisedAt: 0n });
  t.is(owner.of('acks')[0]?.value.acks[0]?.baseOffset, 1n);
  t.like(movedFor(owner)[0], { reason: 'PERMISSION_DENIED' });
});
