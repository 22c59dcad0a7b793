import { faults, silentLogger } from '@moldau/kernel';
import { ClusterService } from '@moldau/proto/moldau/cluster/v1/cluster_pb';
import { serve } from '@moldau/rpc';
import test from 'ava';
import { change, node, snapshot, topic, viewOf, WatchedAddress, world } from './watched-address.ts';

test('a snapshot in parts counts when it is complete, and a change when all of it is there', async (t) => {
  const w = world();
  const a = new WatchedAddress('a', w);
  const view = viewOf(['a'], w);
  view.start();
  a.say(snapshot(5n, { complete: false, nodes: [node(1)], topics: [topic('x', [1, 1])] }));
  await w.time.runFor(10);
  t.false(view.isKnown);
  t.is(view.topicByName('x'), undefined);
  a.say(snapshot(5n, { topics: [topic('y', [1])] }));
  await w.time.runFor(10);
  t.deepEqual([view.version, view.clusterId, [...view.topics()].length], [5n, 'c', 2]);
  a.say(change(6n, { complete: false, topics: [topic('x', [2, 2])] }));
  await w.time.runFor(10);
  t.is(view.topicByName('x')?.partitions[0]?.leader, 1);
  a.say(change(6n, { nodes: [node(2)], removedTopicIds: ['id-y'] }));
  await w.time.runFor(10);
  const x = view.topicByName('x');
  t.deepEqual(x && view.leader(x, 1), { node: 2, address: 'node-2', epoch: 1 });
  t.is(x && view.leader(x, 7), undefined);
  t.is(view.topicByName('y'), undefined);
  t.true(view.wasRemoved('id-y'));
  t.false(view.wasRemoved('id-x'));
  await view.stop();
});

test('whoever hears of changes is told what they touched', async (t) => {
  const w = world();
  const a = new WatchedAddress('a', w);
  const view = viewOf(['a'], w);
  const heard: unknown[] = [];
  const ignore = view.onChange((changed) =>
    heard.push(changed === 'anything' ? changed : [[...changed.nodes], [...changed.topics]]),
  );
  view.start();
  a.say(snapshot(1n, { nodes: [node(1)] }), change(2n, { removedNodes: [1], topics: [topic('x', [1])] }), change(2n));
  await w.time.runFor(10);
  t.deepEqual(heard, ['anything', [[1], ['id-x']]]);
  ignore();
  a.say(change(3n, { topics: [topic('y', [1])] }));
  await w.time.runFor(10);
  t.is(heard.length, 2);
  await view.stop();
});

test('an address that is down or ends its stream is left for the next; the state stays meanwhile', async (t) => {
  const w = world();
  const b = new WatchedAddress('b', w);
  const view = viewOf(['nobody', 'b'], w);
  view.start();
  b.say(snapshot(5n, { topics: [topic('x', [1])] }));
  await w.time.runUntil(() => view.isKnown);
  b.end();
  await w.time.runFor(20);
  t.is(view.version, 5n);
  await w.time.runUntil(() => b.watches === 2);
  b.say(snapshot(7n, { topics: [topic('y', [1])] }));
  await w.time.runUntil(() => view.version === 7n);
  t.is(view.topicByName('x'), undefined);
  t.true(view.wasRemoved('id-x'), 'what a snapshot leaves out is gone');
  await view.stop();
});

test('who was never heard is told from who is heard no more, and from who stands by', async (t) => {
  const w = world();
  const lines: string[] = [];
  const log =
    (level: string) =>
    (message: string, fields: { address?: unknown } = {}) =>
      lines.push(`${level} ${fields.address}: ${message}`);
  const logger = { ...silentLogger, info: log('info'), warn: log('warn') };
  const standby = serve(ClusterService, {
    async *watchMetadata() {
      yield* [];
      throw faults.notServing('this coordinator', 'standby');
    },
  });
  w.network.listen('standby', [standby], w.ports);
  const a = new WatchedAddress('a', w);
  const view = viewOf(['nobody', 'standby', 'a'], { ...w, ports: { ...w.ports, logger } });
  view.start();
  a.say(snapshot(5n));
  await w.time.runUntil(() => view.isKnown);
  w.network.crash('a');
  await w.time.runUntil(() => lines.length === 3);
  t.deepEqual(lines, [
    'warn nobody: no metadata from this address, so far: asking the next one',
    'info standby: this address does not serve metadata now: asking the next one',
    'info a: no metadata from this address any more: asking the next one',
  ]);
  await view.stop();
});

test('a stream that falls silent is given up after 15 s, one that says so little as its version is not', async (t) => {
  const w = world();
  const a = new WatchedAddress('a', w);
  const b = new WatchedAddress('b', w);
  const view = viewOf(['a', 'b'], w);
  view.start();
  a.say(snapshot(5n));
  for (let i = 0; i < 6; i += 1) {
    await w.time.runFor(5_000);
    a.say(change(5n));
  }
  t.is(b.watches, 0);
  await w.time.runFor(14_000);
  t.is(b.watches, 0);
  await w.time.runFor(2_000);
  t.is(b.watches, 1);
  await view.stop();
});

test('one who is behind changes nothing until it has caught up', async (t) => {
  const w = world();
  const a = new WatchedAddress('a', w);
  const b = new WatchedAddress('b', w);
  const view = viewOf(['a', 'b'], w);
  view.start();
  a.say(snapshot(10n, { topics: [topic('x', [3])] }));
  await w.time.runUntil(() => view.isKnown);
  a.end();
  b.say(snapshot(8n, { topics: [topic('x', [1]), topic('old', [1])] }), change(9n, { topics: [topic('x', [2])] }));
  await w.time.runUntil(() => b.watches === 1);
  await w.time.runFor(10);
  t.deepEqual([view.version, view.topicByName('x')?.partitions[0]?.leader], [10n, 3]);
  t.is(view.topicByName('old'), undefined);
  b.say(change(12n, { topics: [topic('x', [4])], removedTopicIds: ['id-old'] }));
  await w.time.runFor(10);
  t.deepEqual([view.version, view.topicByName('x')?.partitions[0]?.leader], [12n, 4]);
  await view.stop();
});

test('another cluster at the address replaces everything, whatever its version', async (t) => {
  const w = world();
  const a = new WatchedAddress('a', w);
  const b = new WatchedAddress('b', w);
  const view = viewOf(['a', 'b'], w);
  view.start();
  a.say(snapshot(100n, { nodes: [node(1)], topics: [topic('x', [1])] }));
  await w.time.runUntil(() => view.isKnown);
  a.end();
  b.say(snapshot(2n, { clusterId: 'd', topics: [topic('y', [1])] }));
  await w.time.runUntil(() => view.version === 2n);
  t.deepEqual([view.clusterId, view.nodes().length, [...view.topics()].map(({ name }) => name)], ['d', 0, ['y']]);
  await view.stop();
});

test('a stream that begins with a change is given up', async (t) => {
  const w = world();
  const a = new WatchedAddress('a', w);
  const b = new WatchedAddress('b', w);
  const view = viewOf(['a', 'b'], w);
  view.start();
  a.say(change(3n, { topics: [topic('x', [1])] }));
  await w.time.runUntil(() => b.watches === 1);
  t.false(view.isKnown);
  await view.stop();
});

test('one can wait for a version, for a while', async (t) => {
  const w = world();
  const a = new WatchedAddress('a', w);
  const view = viewOf(['a'], w);
  view.start();
  const startedAt = w.time.monotonicMs();
  t.false(await w.time.run(view.reached(0n, 300)));
  t.is(w.time.monotonicMs() - startedAt, 300);
  const waiting = view.reached(4n, 60_000);
  a.say(snapshot(3n));
  await w.time.runFor(10);
  a.say(change(4n));
  t.true(await w.time.run(waiting));
  t.true(await view.reached(2n, 0));
  const controller = new AbortController();
  const abandoned = view.reached(9n, 60_000, controller.signal);
  controller.abort();
  t.false(await w.time.run(abandoned));
  const stopped = view.reached(9n, 60_000);
  await view.stop();
  t.false(await stopped);
  t.is(w.time.pending, 0, 'no timer is left');
});
