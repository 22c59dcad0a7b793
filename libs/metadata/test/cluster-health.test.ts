import { nodeEpoch, nodeId, partitionIndex, revision, topicId } from '@moldau/kernel';
import test from 'ava';
import {
  ClusterImage,
  clusterHealth,
  Keys,
  newPartition,
  nodeCodec,
  nodeConditionCodec,
  type PartitionState,
  partitionCodec,
  topicCodec,
} from '../src/index.ts';

const keys = new Keys('c');
const members = [1, 2, 3].map((id) => ({ node: nodeId(id), epoch: nodeEpoch(1n) }));
const whole = newPartition(members, 2);
const lagging = { ...whole, isr: members.slice(0, 2) };
const belowMin = { ...whole, isr: members.slice(0, 1), elr: [nodeId(2)] };
const offline = { ...whole, isr: [], leader: undefined, elr: [nodeId(1)] };

/** Three nodes, of which some are fenced, and topic `t` with these partitions. */
function health(partitions: readonly PartitionState[], fenced: readonly number[] = []) {
  const image = new ClusterImage('c');
  const id = topicId('id');
  const registration = { address: 'a:1', rack: '', incarnation: 'i', programVersion: '0', role: 'storage' as const };
  const record = { name: 't', config: {}, partitions: partitions.length, replicas: 3, internal: false, createdMs: 1 };
  const topic = { ...record, requestId: undefined, updateRequestId: undefined };
  const entries = [
    ...members.flatMap(({ node }) => [
      [keys.node(node), nodeCodec.encode(registration, 'n')],
      [
        keys.nodeState(node),
        nodeConditionCodec.encode({ fenced: fenced.includes(node), clean: false, draining: false }, 'n'),
      ],
    ]),
    [keys.topic(id), topicCodec.encode(topic, 'n')],
    ...partitions.map((state, i) => [keys.partition(id, partitionIndex(i)), partitionCodec.encode(state, 'n')]),
  ];
  const one = revision(1n);
  const events = entries.map(([key = '', value = '']) => {
    return { kind: 'put' as const, entry: { key, value, createRevision: one, modRevision: one } };
  });
  image.apply({ revision: one, events });
  return clusterHealth(image);
}

const shown = (...asked: Parameters<typeof health>): string[] =>
  health(...asked).findings.map(({ severity, message }) => `${severity}: ${message}`);

test('a cluster where all is well has nothing to say', (t) => {
  t.deepEqual(health([whole, whole]), {
    nodes: 3,
    activeNodes: 3,
    nodesByState: { active: 3, draining: 0, fenced: 0 },
    topics: 1,
    partitions: 2,
    offlinePartitions: 0,
    underReplicatedPartitions: 0,
    belowMinIsrPartitions: 0,
    findings: [],
  });
});

test('what lags is a warning; what does not work is critical; each partition is named under its worst', (t) => {
  const partitions = [whole, lagging, belowMin, offline, offline];
  t.deepEqual(shown(partitions, [2]), [
    'critical: 2 partitions (t/3, t/4) without a leader: start the nodes that keep their copies',
    'critical: 1 partition (t/2) with too few in-sync replicas for acks = all: start the nodes that are missing',
    'warning: 1 partition (t/1) with replicas that are not in sync: start the nodes that are missing, or let them catch up',
    'warning: 1 node not serving: 2. Look at their logs, or start them',
  ]);
  t.like(health(partitions), { offlinePartitions: 2, underReplicatedPartitions: 4, belowMinIsrPartitions: 1 });
  t.deepEqual(health(partitions, [2]).nodesByState, { active: 2, draining: 0, fenced: 1 });
});

test('data that was lost is critical, even while every replica is in sync', (t) => {
  t.deepEqual(shown([{ ...whole, recovery: 'data-loss' }]), [
    'critical: 1 partition (t/0) lost acknowledged data: restore it from where it came from',
  ]);
});

test('of many partitions the first three are named', (t) => {
  t.regex(
    shown(Array.from({ length: 40 }, () => lagging))[0] ?? '',
    /^warning: 40 partitions \(t\/0, t\/1, t\/2, …\) with/,
  );
});
