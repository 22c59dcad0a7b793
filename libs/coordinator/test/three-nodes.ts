import type { ExecutionContext } from 'ava';
import type { FakeNode, Found } from './fake-node.ts';
import { type Office, World } from './world.ts';

/** Three nodes, and topic `a`, whose partitions all of them keep. */
export async function threeNodes(t: ExecutionContext, partitions = 1, config: Readonly<Record<string, string>> = {}) {
  const world = new World(t);
  const office = await world.started();
  const nodes = new Map<number, FakeNode>();
  for (let id = 1; id <= 3; id++) nodes.set(id, await world.activeNode(office, id));
  const texts = Object.entries(config).map(([key, value]) => ({ key, value }));
  const { topic } = await world.run(office.createTopic({ name: 'a', partitions, replicas: 3, config: texts }));
  await world.time.runFor(10);
  const node = (id: number): FakeNode => nodes.get(id) as FakeNode;
  const key = (index = 0): string => `${topic?.id}-${index}`;
  /** The newest that any of them was told. */
  const assignment = (index = 0) => {
    const told = [...nodes.values()].flatMap((one) => one.assignments.get(key(index)) ?? []);
    return told.sort((a, b) => Number((b.partitionEpoch ?? 0n) - (a.partitionEpoch ?? 0n)))[0];
  };
  const leader = (index = 0): FakeNode => node(assignment(index)?.partition?.leader ?? 0);
  const followers = (index = 0): FakeNode[] => [...nodes.values()].filter(({ id }) => id !== leader(index).id);
  /** As the leader of the partition asks for it, who was last told of the state. */
  const change = (isr: readonly FakeNode[], index = 0) => ({
    topicId: topic?.id ?? '',
    partition: index,
    leaderEpoch: assignment(index)?.partition?.leaderEpoch ?? 0,
    partitionEpoch: assignment(index)?.partitionEpoch ?? 0n,
    isr: isr.map(({ id, epoch }) => ({ nodeId: id, nodeEpoch: epoch })),
  });
  const alter = (from: FakeNode, ...changes: object[]) =>
    world.run(office.alterIsr({ nodeId: from.id, nodeEpoch: from.epoch, changes }));
  /** The next start of a node, which finds this of partition 0. It serves when it has reported. */
  const restart = async (id: number, found: Found = {}): Promise<FakeNode> => {
    const next = await world.node(office, id);
    next.found.set(key(), found);
    nodes.set(id, next);
    next.join(office);
    return next;
  };
  const say = (from: FakeNode, report: object): void =>
    from.say({ reports: [{ topicId: topic?.id ?? '', partition: 0, ...report }] });
  return { world, office, node, leader, followers, assignment, change, alter, restart, say };
}

/** Of topic `a`, in order. */
export const inSync = async (office: Office, index = 0): Promise<readonly number[]> =>
  [...((await office.getMetadata({ topics: ['a'] })).topics?.[0]?.partitions?.[index]?.inSync ?? [])].sort();
