import { MoldauError } from '@moldau/kernel';
import { ClusterService, type WatchMetadataResponse } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { Relay } from '@moldau/routing';
import type { CallContext, Channel, Handlers } from '@moldau/rpc';
import test from 'ava';
import { change, node, snapshot, topic, WatchedAddress, type World, world } from './watched-address.ts';

type Advertise = 'registered' | 'authority';
const { method } = ClusterService;

/** A relay at `relay:1` that asks these coordinators, and a way to it. */
function relayOf(coordinators: readonly string[], w: World, advertise: Advertise = 'registered') {
  const relay = new Relay({ coordinators, advertise }, { ...w.ports, dialer: w.network.dialer('relay:1') });
  w.network.listen('relay:1', [relay.service()], w.ports);
  relay.start();
  return { relay, channel: w.network.dialer('client').dial('relay:1', 'control') };
}

/** One coordinator that serves `handlers`, and a relay that has its first snapshot. */
async function withCoordinator(handlers: Handlers<typeof ClusterService> = {}, advertise: Advertise = 'registered') {
  const w = world();
  const coordinator = new WatchedAddress('coordinator', w, handlers);
  coordinator.say(snapshot(5n, { nodes: [node(1), node(2)], topics: [topic('x', [1, 2])] }));
  const { relay, channel } = relayOf(['coordinator'], w, advertise);
  await w.time.runUntil(() => relay.view.isKnown);
  return { w, coordinator, relay, channel };
}

const reasonOf = async (w: World, call: Promise<unknown>): Promise<string> => {
  try {
    await w.time.run(call);
    return 'answered';
  } catch (error) {
    return error instanceof MoldauError ? error.reason : String(error);
  }
};

test('metadata is answered from what the process knows', async (t) => {
  const { w, relay, channel } = await withCoordinator();
  const answer = await w.time.run(channel.unary(method.getMetadata, { topics: ['x'], topicIds: ['id-x'] }));
  t.deepEqual([answer.clusterId, answer.version], ['c', 5n]);
  t.deepEqual(
    answer.nodes.map(({ id, address }) => [id, address]),
    [
      [1, 'node-1'],
      [2, 'node-2'],
    ],
  );
  t.deepEqual(
    answer.topics.map(({ name, partitions }) => [name, partitions.map(({ leader }) => leader)]),
    [['x', [1, 2]]],
  );
  t.is((await w.time.run(channel.unary(method.getMetadata, { allTopics: true }))).topics.length, 1);
  t.is((await w.time.run(channel.unary(method.getMetadata, {}))).topics.length, 0);
  await relay.stop();
});

test('more names than one may ask for are refused, and so are all topics when they are too many', async (t) => {
  const { w, coordinator, channel } = await withCoordinator();
  const topics = Array.from({ length: 1_001 }, (_, i) => `t${i}`);
  t.is(await reasonOf(w, channel.unary(method.getMetadata, { topics })), 'INVALID_REQUEST');
  coordinator.say(
    change(6n, {
      topics: [
        topic(
          'large',
          Array.from({ length: 10_001 }, () => 1),
        ),
      ],
    }),
  );
  await w.time.runFor(10);
  t.is(await reasonOf(w, channel.unary(method.getMetadata, { allTopics: true })), 'INVALID_REQUEST');
});

test('before it knows anything, it says so', async (t) => {
  const w = world();
  const { channel } = relayOf(['nobody'], w);
  t.is(await reasonOf(w, channel.unary(method.getMetadata, {})), 'NOT_SERVING');
  const watching = channel.serverStream(method.watchMetadata, {})[Symbol.asyncIterator]().next();
  t.is(await reasonOf(w, watching), 'NOT_SERVING');
});

test('a topic that it does not know may be new: a coordinator is asked first', async (t) => {
  let asked = 0;
  const { w, coordinator, channel } = await withCoordinator({
    getMetadata: async () => {
      asked += 1;
      w.time.after(50, () => coordinator.say(change(8n, { topics: [topic('new', [1])] })));
      return { clusterId: 'c', version: 8n };
    },
  });
  const ask = (name: string) => channel.unary(method.getMetadata, { topics: [name] });
  const answers = await w.time.run(Promise.all([ask('new'), ask('new'), ask('new'), ask('gone')]));
  t.deepEqual(
    answers.map(({ version, topics }) => [version, topics.length]),
    [
      [8n, 1],
      [8n, 1],
      [8n, 1],
      [8n, 0],
    ],
  );
  t.true(asked <= 2, `${asked} calls for four questions at one time`);
});

test('without a coordinator, what is known must do', async (t) => {
  const { w, channel } = await withCoordinator();
  w.network.crash('coordinator');
  await w.time.runFor(1_000);
  const answer = await w.time.run(channel.unary(method.getMetadata, { topics: ['x', 'other'] }));
  t.deepEqual(
    answer.topics.map(({ name }) => name),
    ['x'],
  );
});

test('what only a coordinator can answer says that there is none, in words of whom was asked', async (t) => {
  const says = async (w: World, call: Promise<unknown>): Promise<string> => {
    const error = await t.throwsAsync(w.time.run(call), { instanceOf: MoldauError });
    t.is(error?.reason, 'UNREACHABLE');
    return error?.message ?? '';
  };
  const limit = { timeoutMs: 3_000 };
  const { w, channel } = await withCoordinator({}, 'authority');
  w.network.crash('coordinator');
  const expected =
    "the gateway at relay:1 answers, but no coordinator does (coordinator refuses connections): topics can't be changed or listed; writing and reading go on";
  t.is(await says(w, channel.unary(method.listTopics, {}, limit)), expected);
  t.is(await says(w, channel.unary(method.getMetadata, { topics: ['new'], autoCreate: true }, limit)), expected);
  const other = world();
  const of = relayOf(['a', 'b'], other);
  t.regex(
    await says(other, of.channel.unary(method.listTopics, {}, limit)),
    /^the storage node at relay:1 .*\(the last one asked: [ab] refuses connections\)/,
  );
});

test('topics are created on first use by the coordinator, and are there in the answer', async (t) => {
  const asked: string[] = [];
  const { w, coordinator, channel } = await withCoordinator({
    getMetadata: async ({ topics, autoCreate }) => {
      asked.push(...topics, String(autoCreate));
      w.time.after(50, () => coordinator.say(change(9n, { topics: [topic('new', [2])] })));
      return { clusterId: 'c', version: 9n };
    },
  });
  const answer = await w.time.run(channel.unary(method.getMetadata, { topics: ['x', 'new'], autoCreate: true }));
  t.deepEqual(
    [answer.topics.map(({ name }) => name), asked],
    [
      ['x', 'new'],
      ['new', 'true'],
    ],
  );
});

test('a change is answered when the process knows of it', async (t) => {
  const { w, coordinator, relay, channel } = await withCoordinator({
    createTopic: async () => {
      w.time.after(100, () => coordinator.say(change(7n, { topics: [topic('new', [1])] })));
      return { version: 7n };
    },
    deleteTopic: async () => ({ version: 99n }),
  });
  await w.time.run(channel.unary(method.createTopic, { name: 'new' }));
  t.truthy(relay.view.topicByName('new'));
  const startedAt = w.time.monotonicMs();
  await w.time.run(channel.unary(method.deleteTopic, { name: 'new' }));
  t.is(w.time.monotonicMs() - startedAt, 2_000, 'but not for ever');
});

test('a change whose outcome is not known is asked for again elsewhere, under the same request id', async (t) => {
  const w = world();
  const ids: (string | undefined)[] = [];
  const handlers = (fail?: MoldauError): Handlers<typeof ClusterService> => ({
    createTopic: async ({ requestId }) => {
      ids.push(requestId);
      if (fail !== undefined) throw fail;
      return { version: 1n };
    },
  });
  const lost = new MoldauError('STORE_UNAVAILABLE', 'the answer of the store was lost');
  const a = new WatchedAddress('a', w, handlers(lost));
  new WatchedAddress('b', w, handlers());
  a.say(snapshot(5n));
  const { relay, channel } = relayOf(['a', 'b'], w);
  await w.time.runUntil(() => relay.view.isKnown);
  await w.time.run(channel.unary(method.createTopic, { name: 'x' }));
  t.is(ids.length, 2);
  t.is(ids[0], ids[1]);
  t.is(ids[0]?.length, 20);
  await w.time.run(channel.unary(method.createTopic, { name: 'x', requestId: 'mine' }));
  t.deepEqual(ids.slice(2), ['mine'], 'the one that answered is asked first');
});

test('a standby is passed over; what the active one refuses is the answer', async (t) => {
  const w = world();
  const refusals = ['NOT_ENOUGH_NODES', 'TOPIC_EXISTS', 'CONFLICT', 'INVALID_CONFIG'] as const;
  let calls = 0;
  const standby = new WatchedAddress('a', w, {
    createTopic: async () => {
      throw new MoldauError('NOT_SERVING', 'standing by');
    },
  });
  new WatchedAddress('b', w, {
    createTopic: async () => {
      const reason = refusals[calls] ?? 'INTERNAL';
      calls += 1;
      throw new MoldauError(reason, 'no');
    },
  });
  standby.say(snapshot(5n));
  const { channel } = relayOf(['a', 'b'], w);
  for (const reason of refusals) t.is(await reasonOf(w, channel.unary(method.createTopic, { name: 'x' })), reason);
  t.is(calls, refusals.length);
});

test('what is left of the caller’s time goes along, and a call that was passed on is not passed on again', async (t) => {
  const contexts: CallContext[] = [];
  const left: (number | undefined)[] = [];
  const { w, channel } = await withCoordinator({
    describeTopic: async (_, context) => {
      contexts.push(context);
      left.push(context.timeLeftMs());
      return {};
    },
  });
  await w.time.run(channel.unary(method.describeTopic, { name: 'x' }, { timeoutMs: 3_000 }));
  t.true(contexts[0]?.forwarded);
  t.true((left[0] ?? 0) > 0 && (left[0] ?? 0) <= 3_000);
  const forwarded = { forwarded: true };
  const refused = [
    channel.unary(method.describeTopic, { name: 'x' }, forwarded),
    channel.unary(method.createTopic, { name: 'x' }, forwarded),
    channel.unary(method.getMetadata, { topics: ['new'], autoCreate: true }, forwarded),
  ];
  for (const call of refused) t.is(await reasonOf(w, call), 'NOT_SERVING');
  t.is((await w.time.run(channel.unary(method.getMetadata, { topics: ['x'] }, forwarded))).topics.length, 1);
  t.is(contexts.length, 1);
});

test('two processes that take each other for coordinators give up, and do not send a call round', async (t) => {
  const w = world();
  const ports = (address: string) => ({ ...w.ports, dialer: w.network.dialer(address) });
  const pair = [
    ['a', 'b'],
    ['b', 'a'],
  ] as const;
  for (const [address, other] of pair) {
    const relay = new Relay({ coordinators: [other], advertise: 'registered' }, ports(address));
    w.network.listen(address, [relay.service()], w.ports);
    relay.start();
  }
  const channel = w.network.dialer('client').dial('a', 'control');
  t.is(await reasonOf(w, channel.unary(method.listTopics, {}, { timeoutMs: 2_000 })), 'NOT_SERVING');
});

test('every address is the one that was called, where that is asked for', async (t) => {
  const { w, channel } = await withCoordinator(
    { listNodes: async () => ({ nodes: [node(1), node(2)], nextPageToken: 'more' }) },
    'authority',
  );
  const metadata = await w.time.run(channel.unary(method.getMetadata, {}));
  const listed = await w.time.run(channel.unary(method.listNodes, {}));
  const watch = channel.serverStream(method.watchMetadata, {})[Symbol.asyncIterator]();
  const watched: WatchMetadataResponse = (await w.time.run(watch.next())).value;
  for (const { nodes } of [metadata, listed, watched]) {
    t.deepEqual(
      nodes.map(({ id, address }) => [id, address]),
      [
        [1, 'relay:1'],
        [2, 'relay:1'],
      ],
    );
  }
  t.is(listed.nextPageToken, 'more');
});

test('a watch of the relay shows what the process learns, and ends with it', async (t) => {
  const { w, coordinator, relay, channel } = await withCoordinator();
  const messages: WatchMetadataResponse[] = [];
  const watching = follow(channel, messages);
  await w.time.runFor(10);
  coordinator.say(change(6n, { topics: [topic('y', [1])] }), change(7n, { removedTopicIds: ['id-x'] }));
  await w.time.runFor(10);
  t.deepEqual(
    messages.map(({ version, snapshot: isSnapshot, topics, removedTopicIds }) => [
      version,
      isSnapshot,
      topics.map(({ name }) => name),
      removedTopicIds,
    ]),
    [
      [5n, true, ['x'], []],
      [6n, false, ['y'], []],
      [7n, false, [], ['id-x']],
    ],
  );
  await w.time.runFor(6_000);
  t.like(messages.at(-1), { version: 7n, complete: true, snapshot: false }, 'a quiet watch shows that it lives');
  coordinator.end();
  const { watches } = coordinator;
  await w.time.runUntil(() => coordinator.watches > watches);
  coordinator.say(snapshot(9n, { topics: [topic('z', [1])] }));
  await w.time.runFor(10);
  t.like(messages.at(-1), { version: 9n, snapshot: true, complete: true });
  await relay.stop();
  t.is(await reasonOf(w, watching), 'NOT_SERVING');
});

async function follow(channel: Channel, messages: WatchMetadataResponse[]): Promise<void> {
  for await (const message of channel.serverStream(method.watchMetadata, {})) messages.push(message);
}
