import { nodeEpoch, nodeId, partitionIndex, topicId } from '@moldau/kernel';
import { assertTxn, Keys, maxTxnOps, type NodeImage, newPartition } from '@moldau/metadata';
import test from 'ava';
import { PartitionBatch } from '../src/partition-batch.ts';

const keys = new Keys('c');
const nodeOf = (id: number): NodeImage => ({
  id: nodeId(id),
  registration: { address: '', rack: '', incarnation: '', programVersion: '', role: 'storage' },
  epoch: nodeEpoch(BigInt(100 + id)),
  condition: { fenced: false, clean: false, draining: false },
  conditionRevision: BigInt(200 + id),
  groupShards: [],
});
const ref = (index: number) => ({ topic: topicId('t'), index: partitionIndex(index) });
const stateOn = (...nodes: readonly NodeImage[]) =>
  newPartition(
    nodes.map(({ id, epoch }) => ({ node: id, epoch })),
    1,
  );

test('a batch compares every partition and both keys of every node that it relies on, each once', (t) => {
  const batch = new PartitionBatch(keys);
  const nodes = [nodeOf(1), nodeOf(2)];
  t.true(batch.add(ref(0), stateOn(...nodes), 7n, nodes));
  t.true(batch.add(ref(1), stateOn(nodeOf(2)), 0n, [nodeOf(2)]));
  t.deepEqual(batch.compares(), [
    { key: keys.partition(topicId('t'), partitionIndex(0)), modRevision: 7n },
    { key: keys.partition(topicId('t'), partitionIndex(1)), modRevision: 0n },
    { key: keys.node(nodeId(1)), modRevision: 101n },
    { key: keys.nodeState(nodeId(1)), modRevision: 201n },
    { key: keys.node(nodeId(2)), modRevision: 102n },
    { key: keys.nodeState(nodeId(2)), modRevision: 202n },
  ]);
  t.is(batch.ops('n').length, 2);
});

test('a batch stops where the store does, with room for the keys of a topic and of the term', (t) => {
  const small = new PartitionBatch(keys);
  let added = 0;
  while (small.add(ref(added), stateOn(nodeOf(1)), 0n, [nodeOf(1)])) added += 1;
  t.is(added, 100);
  const wide = new PartitionBatch(keys);
  for (let i = 0; wide.add(ref(i), stateOn(nodeOf(i)), 0n, [nodeOf(i)]); i++) added += 1;
  t.true(wide.compares().length + 6 <= maxTxnOps);
  for (const batch of [small, wide]) t.notThrows(() => assertTxn(batch.compares(), batch.ops('n')));
});
