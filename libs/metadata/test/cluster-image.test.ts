import { nodeEpoch, nodeId, partitionIndex, partitionKey, revision, topicId } from '@moldau/kernel';
import test from 'ava';
import fc from 'fast-check';
import {
  ClusterImage,
  groupShardCodec,
  Keys,
  newPartition,
  nodeCodec,
  nodeConditionCodec,
  noteCodec,
  partitionCodec,
  producerBlock,
  type StoreEvent,
  tombstoneCodec,
  topicCodec,
  UnreadableValue,
} from '../src/index.ts';

const keys = new Keys('c');
const state = (...nodes: number[]) =>
  newPartition(
    nodes.map((id) => ({ node: nodeId(id), epoch: nodeEpoch(1n) })),
    1,
  );
const topic = (name: string, partitions: number) =>
  topicCodec.encode(
    {
      name,
      config: {},
      partitions,
      replicas: 1,
      internal: false,
      createdMs: 1,
      requestId: undefined,
      updateRequestId: undefined,
    },
    'n',
  );

/** Puts (or deletes, without a value) keys one revision after the other. */
class Feed {
  readonly image = new ClusterImage('c');
  readonly live = new Map<string, { value: string; created: bigint; mod: bigint }>();
  revision = 1n;

  apply(...changes: readonly (readonly [key: string, value?: string | undefined])[]) {
    this.revision += 1n;
    const events = changes.map(([key, value]): StoreEvent => {
      if (value === undefined) {
        this.live.delete(key);
        return { kind: 'delete', key };
      }
      const created = this.live.get(key)?.created ?? this.revision;
      this.live.set(key, { value, created, mod: this.revision });
      return {
        kind: 'put',
        entry: { key, value, createRevision: revision(created), modRevision: revision(this.revision) },
      };
    });
    return this.image.apply({ revision: revision(this.revision), events });
  }
}

test('a topic is visible with its record, and so are its partitions', (t) => {
  const feed = new Feed();
  const id = topicId('t1');
  const ref = { topic: id, index: partitionIndex(0) };
  const delta = feed.apply([keys.partition(id, ref.index), partitionCodec.encode(state(1, 2), 'n')]);
  t.deepEqual([...delta.partitions.keys()], [partitionKey(id, ref.index)]);
  t.is(feed.image.partition(ref), undefined);
  t.deepEqual(feed.image.topicsWithoutRecord(), [id]);
  t.deepEqual([...feed.apply([keys.topic(id), topic('a', 1)]).topics], [id]);
  t.is(feed.image.topicByName('a')?.id, id);
  t.deepEqual(feed.image.partition(ref)?.state, state(1, 2));
  t.is(feed.image.replicasOn(nodeId(2)).size, 1);
  t.is(feed.image.ledBy(nodeId(1)), 1);
  feed.apply([keys.partition(id, ref.index), partitionCodec.encode(state(3), 'n')]);
  t.deepEqual(
    [1, 2, 3].map((node) => feed.image.replicasOn(nodeId(node)).size),
    [0, 0, 1],
  );
  feed.apply(
    [keys.topic(id)],
    [keys.tombstone(id), tombstoneCodec.encode({ name: 'a', deletedMs: 1, requestId: undefined }, 'n')],
  );
  t.is(feed.image.topicByName('a'), undefined);
  t.deepEqual([...feed.image.tombstones.keys()], [id]);
  t.is(feed.image.partition(ref), undefined);
});

test('a name that was taken over is not lost with its former topic', (t) => {
  const feed = new Feed();
  feed.apply([keys.topic(topicId('old')), topic('a', 0)]);
  feed.apply([keys.topic(topicId('new')), topic('a', 0)]);
  feed.apply([keys.topic(topicId('old'))]);
  t.is(feed.image.topicByName('a')?.id, topicId('new'));
});

test('a shard of the groups is shown by its owner, and a move concerns both', (t) => {
  const feed = new Feed();
  const ownedBy = (node: number) => groupShardCodec.encode({ node: nodeId(node), start: nodeEpoch(7n) }, 'n');
  const registered = nodeCodec.encode(
    { address: 'a:1', rack: '', incarnation: 'i', programVersion: '1', role: 'group-coordinator' },
    'n',
  );
  for (const node of [1, 2]) feed.apply([keys.node(nodeId(node)), registered]);
  t.deepEqual(feed.image.node(nodeId(1))?.groupShards, []);
  for (const shard of [3, 0]) feed.apply([keys.groupShard(shard), ownedBy(1)]);
  const shardsOf = (node: number) => feed.image.node(nodeId(node))?.groupShards.map(({ shard }) => shard);
  t.deepEqual(shardsOf(1), [0, 3]);
  const before = feed.image.groupShard(3);
  t.like(before?.owner, { node: 1, start: 7n });
  const { nodes } = feed.apply([keys.groupShard(3), ownedBy(2)]);
  t.deepEqual([...nodes].sort(), [1, 2]);
  t.deepEqual([shardsOf(1), shardsOf(2)], [[0], [3]]);
  t.true((feed.image.groupShard(3)?.epoch ?? 0n) > (before?.epoch ?? 0n));
  t.is(feed.image.node(nodeId(1))?.registration.role, 'group-coordinator');
});

test('a node that was registered before there were roles keeps partitions', (t) => {
  const feed = new Feed();
  const old = JSON.stringify({ v: 1, nonce: 'n', address: 'a:1', rack: '', incarnation: 'i', programVersion: '1' });
  feed.apply([keys.node(nodeId(1)), old]);
  t.is(feed.image.node(nodeId(1))?.registration.role, 'storage');
});

test('a node that never wrote its condition is fenced', (t) => {
  const feed = new Feed();
  feed.apply([
    keys.node(nodeId(1)),
    nodeCodec.encode({ address: 'a:1', rack: '', incarnation: 'i', programVersion: '1', role: 'storage' }, 'n'),
  ]);
  t.like(feed.image.node(nodeId(1)), { epoch: nodeEpoch(2n), condition: { fenced: true }, conditionRevision: 0n });
  feed.apply([
    keys.nodeState(nodeId(1)),
    nodeConditionCodec.encode({ fenced: false, clean: false, draining: false }, 'n'),
  ]);
  t.like(feed.image.node(nodeId(1)), { condition: { fenced: false }, conditionRevision: 3n });
});

test('whatever the changes, the image equals one that was listed at the end', (t) => {
  const ids = ['x', 'y'].map(topicId);
  const change = fc.oneof(
    fc.record({
      kind: fc.constant('partition' as const),
      id: fc.constantFrom(...ids),
      index: fc.nat(3),
      nodes: fc.option(fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 })),
    }),
    fc.record({
      kind: fc.constant('topic' as const),
      id: fc.constantFrom(...ids),
      name: fc.option(fc.constantFrom('a', 'b')),
      partitions: fc.nat(4),
    }),
    fc.record({ kind: fc.constant('node' as const), id: fc.integer({ min: 1, max: 4 }), gone: fc.boolean() }),
  );
  const seen = (image: ClusterImage) => ({
    nodes: image.nodes(),
    topics: [...image.topics()]
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((found) => [found, image.partitionsOf(found)]),
    without: image.topicsWithoutRecord().sort(),
    load: [1, 2, 3, 4].map((id) => [image.ledBy(nodeId(id)), [...image.replicasOn(nodeId(id)).keys()].sort()]),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const feed = new Feed();
      for (const c of changes) {
        if (c.kind === 'partition') {
          const value = c.nodes === null ? undefined : partitionCodec.encode(state(...c.nodes), 'n');
          feed.apply([keys.partition(c.id, partitionIndex(c.index)), value]);
        }
        if (c.kind === 'topic')
          feed.apply([keys.topic(c.id), c.name === null ? undefined : topic(`${c.name}-${c.id}`, c.partitions)]);
        if (c.kind === 'node') {
          const value = nodeCodec.encode(
            { address: 'a', rack: '', incarnation: 'i', programVersion: '1', role: 'storage' },
            'n',
          );
          feed.apply([keys.node(nodeId(c.id)), c.gone ? undefined : value]);
        }
      }
      const listed = new ClusterImage('c');
      const events = [...feed.live].map(([key, { value, created, mod }]): StoreEvent => {
        return { kind: 'put', entry: { key, value, createRevision: revision(created), modRevision: revision(mod) } };
      });
      listed.apply({ revision: revision(feed.revision), events });
      t.deepEqual(seen(feed.image), seen(listed));
    }),
    { seed: 5, numRuns: 200 },
  );
});

test('stored values survive the way there and back; newer, damaged and foreign ones are refused by name', (t) => {
  const before = { ...state(1, 2, 3), leader: undefined, elr: [nodeId(2)], isr: [], recovery: 'data-loss' as const };
  const text = partitionCodec.encode(before, 'nonce');
  t.deepEqual(partitionCodec.decode('k', text), before);
  t.true(partitionCodec.encode(state(1, 2, 3), 'x'.repeat(20)).length < 350, 'about 300 bytes a partition');
  const refused = (value: string, message: RegExp): void => {
    t.throws(() => partitionCodec.decode('/k', value), { instanceOf: UnreadableValue, message });
  };
  refused(text.replace('"v":1', '"v":2'), /\/k in the metadata store has version 2, and this program knows 1/);
  refused(text.slice(1), /is damaged: it is no JSON object/);
  refused('[]', /v is not a whole number/);
  refused('null', /no JSON object/);
  refused(text.replace('"replicas":[1,2,3]', '"replicas":["1"]'), /replicas is not a list of whole numbers/);
  t.throws(() => noteCodec.decode('/k', '{"v":1}'), { instanceOf: UnreadableValue, message: /note is not a text/ });
});

test('no two revisions share a producer id', (t) => {
  t.is(producerBlock(revision(7n)) - producerBlock(revision(6n)), 1_000n);
});

test('100 000 partitions on 100 nodes: a change costs what it touches', (t) => {
  const feed = new Feed();
  for (let topicNumber = 0; topicNumber < 10; topicNumber++) {
    const id = topicId(`t${topicNumber}`);
    const partitions = Array.from({ length: 10_000 }, (_, i) => {
      const nodes = [0, 33, 66].map((step) => ((i + step) % 100) + 1);
      return [keys.partition(id, partitionIndex(i)), partitionCodec.encode(state(...nodes), 'n')] as const;
    });
    feed.apply(...partitions, [keys.topic(id), topic(`topic-${topicNumber}`, 10_000)]);
  }
  t.is(feed.image.replicasOn(nodeId(1)).size, 3_000);
  t.is(feed.image.ledBy(nodeId(1)), 1_000);
  const key = keys.partition(topicId('t3'), partitionIndex(77));
  const value = partitionCodec.encode(state(5), 'n');
  const started = performance.now();
  for (let i = 0; i < 10_000; i++) feed.apply([key, value]);
  const tookMs = performance.now() - started;
  t.log(`10 000 changes: ${tookMs.toFixed(0)} ms`);
  t.true(tookMs < 5_000, 'a copy of the whole would take minutes');
});
