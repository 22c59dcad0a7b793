import { topicId } from '@moldau/kernel';
import test from 'ava';
import { instanceId, type Request, TopicsView } from '../src/index.ts';
import { topicOf } from './support/model-shard.ts';
import { a, ack, at, b, commit, group, hello, t0, t1, World } from './support/requests.ts';

// The rows are situations of a, one member.
type Situation = 'no member' | 'joined' | 'stable' | 'unrevoked' | 'unreleased' | 'static, away' | 'over';

const situations: Record<Situation, () => World> = {
  'no member': () => new World(),
  // Has not said that it applied its first assignment.
  joined: () => new World().after(hello()),
  stable: () => new World().after(hello(), ack(a, 1, [t0, t1])),
  unrevoked: () => new World().after(hello(), ack(a, 1, [t0, t1]), hello(b)),
  unreleased: () => new World().after(hello(b), ack(b, 1, [t0, t1]), hello()),
  'static, away': () =>
    new World().after(hello(a, { instance: instanceId('i') }), ack(a, 1, [t0, t1]), {
      kind: 'leave',
      group,
      member: a,
      stream: 1,
      comingBack: true,
    }),
  over: () => new World().after(hello()).wait(6_000),
};

type Kind = Request['kind'] | 'hello, resumes' | 'hello, too old' | 'hello, owns too much' | 'frame of an older stream';
const requests: Record<Kind, Request> = {
  hello: hello(),
  'hello, resumes': hello(a, { stream: 7, lastMemberEpoch: 1, lastAssignment: 1 }),
  'hello, too old': hello(a, { stream: 7, lastMemberEpoch: 0, lastAssignment: 0 }),
  'hello, owns too much': hello(a, {
    stream: 7,
    lastMemberEpoch: 1,
    lastAssignment: 1,
    owned: [t0, t1, 'x-0' as typeof t0],
  }),
  'frame of an older stream': { kind: 'heard', group, member: a, stream: 8 },
  ack: ack(a, 2, [t1]),
  update: { kind: 'update', group, member: a, stream: 1, topics: ['t', 'u'], regex: undefined, assignor: undefined },
  heard: { kind: 'heard', group, member: a, stream: 1 },
  leave: { kind: 'leave', group, member: a, stream: 1, comingBack: false },
  commit: commit(a, 1, at(t0, 5)),
  seek: { kind: 'seek', group, offsets: [at(t0, 5)], force: false, validateOnly: false },
  delete: { kind: 'delete', group, validateOnly: false },
  describe: { kind: 'describe', group },
  'get-offsets': { kind: 'get-offsets', group, partitions: undefined },
  tick: { kind: 'tick' },
  'topics-changed': { kind: 'topics-changed', topics: new TopicsView([topicOf('t', 3)]) },
  'topic-deleted': { kind: 'topic-deleted', topic: topicId('t') },
  list: { kind: 'list', after: undefined, limit: 10 },
};

// A new request does not compile until its column is filled in: the reply; frames; records that were put (+) or taken away (-).
const table: Record<Situation, Record<Kind, string>> = {
  'no member': {
    hello: 'done; a: assignment 1 epoch 1 t-0 t-1; +head +holding +profile +target',
    'hello, resumes': 'fenced UNKNOWN_MEMBER',
    'hello, too old': 'fenced UNKNOWN_MEMBER',
    'hello, owns too much': 'fenced UNKNOWN_MEMBER',
    'frame of an older stream': 'fenced UNKNOWN_MEMBER',
    ack: 'fenced UNKNOWN_MEMBER',
    update: 'fenced UNKNOWN_MEMBER',
    heard: 'fenced UNKNOWN_MEMBER',
    leave: 'fenced UNKNOWN_MEMBER',
    commit: 'fenced UNKNOWN_MEMBER',
    seek: 'committed; +offset',
    delete: 'refused UNKNOWN_GROUP',
    describe: 'refused UNKNOWN_GROUP',
    'get-offsets': 'offsets',
    tick: 'done',
    'topics-changed': 'done',
    'topic-deleted': 'forgotten',
    list: 'groups',
  },
  joined: {
    hello: 'done; a: assignment 1 epoch 1 t-0 t-1',
    'hello, resumes': 'done; 7: assignment 1 epoch 1 t-0 t-1; a: fenced FENCED_MEMBER; +holding',
    'hello, too old': 'done; 7: assignment 1 epoch 1 t-0 t-1; a: fenced FENCED_MEMBER',
    'hello, owns too much': 'fenced FENCED_MEMBER',
    'frame of an older stream': 'fenced FENCED_MEMBER',
    ack: 'fenced FENCED_MEMBER',
    update: 'done; +head +profile',
    heard: 'done',
    leave: 'done; +head -holding -profile -target',
    commit: 'committed; +offset',
    seek: 'refused GROUP_NOT_EMPTY',
    delete: 'refused GROUP_NOT_EMPTY',
    describe: 'described',
    'get-offsets': 'offsets',
    tick: 'done',
    'topics-changed': 'done',
    'topic-deleted': 'forgotten',
    list: 'groups',
  },
  stable: {
    hello: 'fenced FENCED_MEMBER',
    'hello, resumes': 'done; 7: assignment 1 epoch 1 t-0 t-1; a: fenced FENCED_MEMBER',
    'hello, too old': 'fenced FENCED_MEMBER',
    'hello, owns too much': 'fenced FENCED_MEMBER',
    'frame of an older stream': 'fenced FENCED_MEMBER',
    ack: 'fenced FENCED_MEMBER',
    update: 'done; +head +profile',
    heard: 'done',
    leave: 'done; +head -holding -profile -target',
    commit: 'committed; +offset',
    seek: 'refused GROUP_NOT_EMPTY',
    delete: 'refused GROUP_NOT_EMPTY',
    describe: 'described',
    'get-offsets': 'offsets',
    tick: 'done',
    'topics-changed': 'done',
    'topic-deleted': 'forgotten',
    list: 'groups',
  },
  unrevoked: {
    hello: 'fenced FENCED_MEMBER',
    'hello, resumes': 'done; 7: assignment 2 epoch 1 t-1 revoke t-0; a: fenced FENCED_MEMBER',
    'hello, too old': 'fenced FENCED_MEMBER',
    'hello, owns too much': 'fenced FENCED_MEMBER',
    'frame of an older stream': 'fenced FENCED_MEMBER',
    ack: 'done; a: assignment 3 epoch 2 t-1; b: assignment 2 epoch 2 t-0; +holding',
    update: 'done; +head +profile',
    heard: 'done',
    leave: 'done; b: assignment 2 epoch 3 t-0 t-1; +head +holding +target -holding -profile -target',
    commit: 'committed; +offset',
    seek: 'refused GROUP_NOT_EMPTY',
    delete: 'refused GROUP_NOT_EMPTY',
    describe: 'described',
    'get-offsets': 'offsets',
    tick: 'done',
    'topics-changed': 'done',
    'topic-deleted': 'forgotten',
    list: 'groups',
  },
  unreleased: {
    hello: 'done; a: assignment 1 epoch 2 nothing pending t-0',
    'hello, resumes': 'done; 7: assignment 1 epoch 2 nothing pending t-0; a: fenced FENCED_MEMBER; +holding',
    'hello, too old': 'done; 7: assignment 1 epoch 2 nothing pending t-0; a: fenced FENCED_MEMBER',
    'hello, owns too much': 'fenced FENCED_MEMBER',
    'frame of an older stream': 'fenced FENCED_MEMBER',
    ack: 'fenced FENCED_MEMBER',
    update: 'done; +head +profile',
    heard: 'done',
    leave: 'done; +head +target -holding -profile -target',
    commit: 'committed STALE_MEMBER_EPOCH',
    seek: 'refused GROUP_NOT_EMPTY',
    delete: 'refused GROUP_NOT_EMPTY',
    describe: 'described',
    'get-offsets': 'offsets',
    tick: 'done',
    'topics-changed': 'done',
    'topic-deleted': 'forgotten',
    list: 'groups',
  },
  'static, away': {
    hello: 'fenced FENCED_MEMBER',
    'hello, resumes': 'done; 7: assignment 1 epoch 1 t-0 t-1',
    'hello, too old': 'fenced FENCED_MEMBER',
    'hello, owns too much': 'fenced FENCED_MEMBER',
    'frame of an older stream': 'fenced FENCED_MEMBER',
    ack: 'fenced FENCED_MEMBER',
    update: 'fenced FENCED_MEMBER',
    heard: 'fenced FENCED_MEMBER',
    leave: 'fenced FENCED_MEMBER',
    commit: 'committed; +offset',
    seek: 'refused GROUP_NOT_EMPTY',
    delete: 'refused GROUP_NOT_EMPTY',
    describe: 'described',
    'get-offsets': 'offsets',
    tick: 'done',
    'topics-changed': 'done',
    'topic-deleted': 'forgotten',
    list: 'groups',
  },
  over: {
    hello: 'done; a: assignment 1 epoch 3 t-0 t-1; +head +holding +profile +target',
    'hello, resumes': 'fenced UNKNOWN_MEMBER',
    'hello, too old': 'fenced UNKNOWN_MEMBER',
    'hello, owns too much': 'fenced UNKNOWN_MEMBER',
    'frame of an older stream': 'fenced UNKNOWN_MEMBER',
    ack: 'fenced UNKNOWN_MEMBER',
    update: 'fenced UNKNOWN_MEMBER',
    heard: 'fenced UNKNOWN_MEMBER',
    leave: 'fenced UNKNOWN_MEMBER',
    commit: 'fenced UNKNOWN_MEMBER',
    seek: 'committed; +offset',
    delete: 'done; -head',
    describe: 'described',
    'get-offsets': 'offsets',
    tick: 'done',
    'topics-changed': 'done',
    'topic-deleted': 'forgotten',
    list: 'groups',
  },
};

for (const [situation, row] of Object.entries(table)) {
  for (const [kind, expected] of Object.entries(row)) {
    test(`${situation}: ${kind}`, (t) => {
      const world = situations[situation as Situation]();
      const asked = requests[kind as Kind];
      const isStatic = situation.startsWith('static');
      const request = isStatic && asked.kind === 'hello' ? { ...asked, instance: instanceId('i') } : asked;
      const said = world.say(request);
      t.is(said, expected);
      if (/refused|fenced U|fenced F/.test(said.split(';')[0] ?? ''))
        t.is(world.last.records.length, 0, 'what is refused changes nothing');
    });
  }
}
