import { hasReason } from '@moldau/kernel';
import test from 'ava';
import { groupId, instanceId, limits, memberId, TopicsView } from '../src/index.ts';
import { topicOf } from './support/model-shard.ts';
import { a, ack, b, commit, group, hello, sayStep, t0, t1, World } from './support/requests.ts';

test('a Hello that asks for what can not be is refused, and changes nothing', (t) => {
  const cases: [given: Parameters<typeof hello>[1], reason: string][] = [
    [{ regex: '(' }, 'INVALID_REGEX'],
    [{ regex: 'x'.repeat(limits.regexBytesMax + 1) }, 'INVALID_REGEX'],
    [{ assignor: 'sticky' }, 'INVALID_REQUEST'],
    [{ rebalanceTimeoutMs: 0 }, 'INVALID_REQUEST'],
    [{ rebalanceTimeoutMs: Number.NaN }, 'INVALID_REQUEST'],
    [{ member: memberId('') }, 'INVALID_REQUEST'],
    [{ member: memberId('a\u0000') }, 'INVALID_REQUEST'],
    [{ member: memberId('é'.repeat(128)) }, 'INVALID_REQUEST'],
    [{ instance: instanceId('') }, 'INVALID_REQUEST'],
    [{ rack: 'r'.repeat(256) }, 'INVALID_REQUEST'],
    [{ group: groupId('') }, 'INVALID_REQUEST'],
    [{ topics: Array.from({ length: limits.topicsMax + 1 }, (_, i) => `t${i}`) }, 'INVALID_REQUEST'],
  ];
  for (const [given, reason] of cases) {
    const world = new World();
    t.is(world.say(hello(a, given)), `refused ${reason}`, JSON.stringify(given)?.slice(0, 60));
    t.is(world.state.groups.size, 0);
    t.is(world.shard.nextDeadlineMs, undefined);
  }
});

test('an update that can not be is refused, and the membership goes on', (t) => {
  const world = new World().after(hello());
  const update = { kind: 'update', group, member: a, stream: 1, topics: [], regex: '(', assignor: undefined } as const;
  t.is(world.say(update), 'refused INVALID_REGEX');
  t.is(world.say({ ...update, regex: 't' }), 'done; +head +profile');
});

test('a group has no more members than it may', (t) => {
  const world = new World({ membersMax: 2 }).after(hello(), hello(b));
  t.is(world.say(hello(memberId('c'))), 'refused GROUP_FULL');
  const { reply } = world.last;
  t.true(reply.kind === 'refused' && hasReason(reply.error, 'GROUP_FULL') && reply.error.retriable);
});

test('time is due when a session ends, and not before', (t) => {
  const world = new World().after(hello());
  t.is(world.shard.nextDeadlineMs, world.now + 6_000);
  world.wait(5_000).after({ kind: 'heard', group, member: a, stream: 1 });
  t.is(sayStep(world.wait(1_000).last), 'done', 'the first deadline was only the earliest that could be');
  t.is(sayStep(world.wait(4_999).last), 'done');
  t.is(sayStep(world.wait(1).last), 'done; a: fenced FENCED_MEMBER; +head -holding -profile -target');
});

test('assignments wait for each other, so that many joins are one rebalance', (t) => {
  const world = new World({ assignmentIntervalMs: 500 }).after(hello());
  t.is(world.say(hello(b)), 'done; b: assignment 1 epoch 1 nothing; +head +holding +profile');
  t.is(world.shard.nextDeadlineMs, world.now + 500);
  t.is(sayStep(world.wait(499).last), 'done');
  t.is(sayStep(world.wait(1).last), 'done; a: assignment 2 epoch 1 t-1 revoke t-0; +head +holding +target');
});

test('a member that resumes with another subscription is rebalanced', (t) => {
  const world = new World().after(hello(), ack(a, 1, [t0, t1]));
  const said = world.say(hello(a, { topics: [], lastMemberEpoch: 1, lastAssignment: 1, owned: [t0, t1] }));
  t.is(said, 'done; a: assignment 2 epoch 1 nothing revoke t-0 t-1; +head +holding +profile -target');
});

test('topics by regular expression are followed as they come', (t) => {
  const world = new World().after(hello(a, { topics: [], regex: 't.?' }));
  world.after({
    kind: 'topics-changed',
    topics: new TopicsView([topicOf('t', 2), topicOf('tu', 1), topicOf('xt', 1)]),
  });
  t.is(sayStep(world.wait(0).last), 'done; a: assignment 2 epoch 2 t-0 t-1 tu-0; +head +holding +target');
});

test('groups are listed by page, and described with all that they have', (t) => {
  const world = new World();
  for (const id of ['z', 'x', 'y'])
    world.after({
      ...commit(undefined, 0, { partition: t0, offset: 1n as never, leaderEpoch: undefined, metadata: '' }),
      group: groupId(id),
    });
  t.deepEqual(world.after({ kind: 'list', after: undefined, limit: 2 }).last.reply, {
    kind: 'groups',
    groups: ['x', 'y'].map((id) => ({ id: groupId(id), members: 0 })),
    hasMore: true,
  });
  t.deepEqual(world.after({ kind: 'list', after: groupId('y'), limit: 2 }).last.reply, {
    kind: 'groups',
    groups: [{ id: groupId('z'), members: 0 }],
    hasMore: false,
  });
  const { reply } = new World().after(hello(), ack(a, 1, [t0, t1]), hello(b), { kind: 'describe', group }).last;
  t.like(reply, {
    kind: 'described',
    description: {
      groupEpoch: 2,
      assignmentEpoch: 2,
      assignor: 'uniform',
      members: [
        { member: a, phase: 'unrevoked', epoch: 1, assigned: [t1], revoking: [t0], pending: [] },
        { member: b, phase: 'unreleased', epoch: 2, assigned: [], revoking: [], pending: [t0] },
      ],
    },
  });
});

test('a thousand members of a thousand partitions join in little time, and one that leaves touches one other', (t) => {
  const world = new World({ membersMax: 2_000, assignmentIntervalMs: 100, sessionTimeoutMs: 45_000 });
  world.after({ kind: 'topics-changed', topics: new TopicsView([topicOf('t', 1_000)]) });
  const member = (i: number) => memberId(`m${i}`);
  const start = performance.now();
  for (let i = 0; i < 1_000; i += 1) world.after(hello(member(i), { stream: 10 + i }));
  world.wait(100);
  t.log(`a thousand join in ${(performance.now() - start).toFixed(0)} ms`);
  const [id] = [...world.state.groups.values()];
  for (let i = 0; i < 1_000; i += 1) {
    const holding = id?.holding(member(i));
    const owned = [...(holding?.held ?? [])].flatMap(([key, { sentIn }]) => (sentIn === holding?.number ? [key] : []));
    world.after({ kind: 'ack', group, member: member(i), stream: 10 + i, assignment: holding?.number ?? 0, owned });
  }
  t.true([...(id?.members.keys() ?? [])].every((one) => id?.holding(one)?.held.size === 1));
  world.wait(100);
  const before = performance.now();
  world.after({ kind: 'leave', group, member: member(7), stream: 17, comingBack: false });
  const took = performance.now() - before;
  t.log(
    `one leaves in ${took.toFixed(1)} ms: ${world.last.records.length} records, ${world.last.frames.length} frames`,
  );
  t.is(world.last.frames.length, 1, 'only who gets its partition hears of it');
  t.true(world.last.records.length <= 6);
  t.true(took < 200);
});
