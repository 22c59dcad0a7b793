import type { MessageInitShape } from '@bufbuild/protobuf';
import { IsrOutcome, type IsrResultSchema } from '@moldau/proto/moldau/internal/v1/controller_pb';
import test from 'ava';
import type { FakeNode } from './fake-node.ts';
import { inSync, threeNodes } from './three-nodes.ts';

type Results = readonly MessageInitShape<typeof IsrResultSchema>[] | undefined;
const kinds = (results: Results): string[] => (results ?? []).map(({ outcome = 0 }) => IsrOutcomeNames[outcome] ?? '');
const IsrOutcomeNames: Record<number, string> = Object.fromEntries(
  Object.entries(IsrOutcome).map(([name, value]) => [value, name]),
);

test('a leader drops a follower and takes it back: nodes hear the ISR, the ELR and the new partition epoch', async (t) => {
  const { world, office, leader, followers, assignment, change, alter } = await threeNodes(t);
  const [one, two] = followers() as [FakeNode, FakeNode];
  const [dropped] = (await alter(leader(), change([leader(), one]))).results ?? [];
  t.is(dropped?.outcome, IsrOutcome.COMMITTED);
  t.deepEqual(await inSync(office), [leader().id, one.id].sort(), 'the image has it already');
  await world.time.runFor(10);
  t.is(assignment()?.partitionEpoch, dropped?.partitionEpoch, 'the epoch that it was told is the one of the state');
  t.deepEqual(assignment()?.elr, [], 'two are in sync, and two are enough');
  t.deepEqual(kinds((await alter(leader(), change([leader()]))).results), ['COMMITTED']);
  await world.time.runFor(10);
  t.deepEqual(assignment()?.elr, [one.id], 'with one alone, who left last stays eligible');
  t.deepEqual(assignment()?.isr, [{ nodeId: leader().id, nodeEpoch: leader().epoch }]);
  t.is(assignment()?.lastUncleanEpoch, 0);
  t.deepEqual(kinds((await alter(leader(), change([leader(), two]))).results), ['COMMITTED']);
  await world.time.runFor(10);
  t.deepEqual(assignment()?.elr, []);
  t.deepEqual(await office.leader('a'), { leader: leader().id, epoch: 1 });
});

test('an unfit follower is out of the ELR too', async (t) => {
  const { world, leader, followers, assignment, change, alter } = await threeNodes(t);
  const [one, two] = followers() as [FakeNode, FakeNode];
  await alter(leader(), { ...change([leader()]), unfit: [two.id] });
  await world.time.runFor(10);
  t.deepEqual(assignment()?.elr, [one.id]);
});

test('each change of a call is decided for itself', async (t) => {
  const { leader, followers, assignment, change, alter } = await threeNodes(t, 30);
  const led = Array.from({ length: 30 }, (_, i) => i).filter((i) => leader(i) === leader(0));
  const [first = 0, second = 0, third = 0, fourth = 0] = led;
  const others = Array.from({ length: 30 }, (_, i) => i).filter((i) => leader(i) !== leader(0));
  const [one] = followers(0) as [FakeNode, FakeNode];
  const { results } = await alter(
    leader(0),
    change([leader(0), one], first),
    { ...change([leader(0)], second), partitionEpoch: (assignment(second)?.partitionEpoch ?? 0n) - 1n },
    change([one], third),
    change([leader(0), one], fourth),
    change([leader(0), one], others[0]),
    { ...change([leader(0)]), topicId: 'gone' },
  );
  t.deepEqual(kinds(results), ['COMMITTED', 'STALE', 'INELIGIBLE', 'COMMITTED', 'FENCED', 'STALE']);
  t.is(results?.[0]?.partitionEpoch, results?.[3]?.partitionEpoch, 'in one transaction');
});

test('a second change on one state is stale: one of two attempts wins', async (t) => {
  const { leader, followers, change, alter } = await threeNodes(t);
  const [one] = followers() as [FakeNode, FakeNode];
  const both = change([leader(), one]);
  t.deepEqual(kinds((await alter(leader(), both)).results), ['COMMITTED']);
  t.deepEqual(kinds((await alter(leader(), both)).results), ['STALE']);
});

test('a proposal of what is there decides earlier ones that may still come', async (t) => {
  const { world, office, node, leader, followers, assignment, change, alter } = await threeNodes(t);
  const whole = change([1, 2, 3].map(node));
  const before = assignment()?.partitionEpoch ?? 0n;
  const [one] = followers() as [FakeNode, FakeNode];
  world.store.faults.delayNextTxn(3_000);
  const late = alter(leader(), change([leader(), one]));
  const [now] = (await alter(leader(), whole)).results ?? [];
  t.is(now?.outcome, IsrOutcome.COMMITTED);
  t.true((now?.partitionEpoch ?? 0n) > before);
  t.deepEqual(kinds((await late).results), ['STALE']);
  t.is((await inSync(office)).length, 3);
});

test('who was fenced, or has restarted, while a change was on its way to the store is not in sync', async (t) => {
  const { world, office, leader, followers, change, alter } = await threeNodes(t);
  const [one, two] = followers() as [FakeNode, FakeNode];
  await alter(leader(), change([leader(), one]));
  await world.time.runFor(10);
  world.store.faults.delayNextTxn(1_000);
  const adding = alter(leader(), change([leader(), one, two]));
  two.say({ leaving: true });
  t.deepEqual(kinds((await adding).results), ['INELIGIBLE']);
  t.false((await inSync(office)).includes(two.id));
});

test('a start of a node that was replaced changes nothing', async (t) => {
  const { world, office, leader, change, alter } = await threeNodes(t);
  const old = leader();
  const asked = change([old]);
  await world.node(office, old.id);
  await t.throwsAsync(alter(old, asked), { name: 'STALE_NODE' });
  const later = { id: old.id, epoch: old.epoch + 1_000n } as FakeNode;
  await t.throwsAsync(alter(later, asked), { name: 'STALE_NODE' });
});

test('while the store is silent the outcome is unknown; a lost answer is found again', async (t) => {
  const { world, office, leader, followers, change, alter } = await threeNodes(t);
  const [one] = followers() as [FakeNode, FakeNode];
  world.store.faults.loseReplies(2);
  t.deepEqual(kinds((await alter(leader(), change([leader(), one]))).results), ['COMMITTED']);
  await world.time.runFor(10);
  world.store.faults.loseReplies(6);
  t.deepEqual(kinds((await alter(leader(), change([leader()]))).results), ['UNKNOWN']);
  await world.time.runFor(10);
  t.deepEqual(await inSync(office), [leader().id], 'it had been carried out');
});

test('what no leader sends is refused', async (t) => {
  const { leader, node, change, alter } = await threeNodes(t);
  const one = change([leader()]);
  const refused = { name: 'INVALID_REQUEST' };
  await t.throwsAsync(alter(leader(), one, one), refused);
  await t.throwsAsync(alter(leader(), ...Array.from({ length: 1_001 }, (_, i) => ({ ...one, partition: i }))), refused);
  await t.throwsAsync(alter(leader(), change(Array.from({ length: 17 }, () => node(1)))), refused);
  await t.throwsAsync(alter(leader(), { ...one, unfit: Array.from({ length: 17 }, (_, i) => i) }), refused);
  t.deepEqual((await alter(leader())).results, []);
});

test('1 000 changes of one call go in few transactions', async (t) => {
  const { world, office, leader, followers, change, alter } = await threeNodes(t, 3_000);
  const led = Array.from({ length: 3_000 }, (_, i) => i).filter((i) => leader(i) === leader(0));
  const [one] = followers(0) as [FakeNode, FakeNode];
  const before = (await world.run(world.store.status())).revision;
  const changes = led.slice(0, 1_000).map((i) => change([leader(0), one], i));
  const { results } = await alter(leader(0), ...changes);
  t.deepEqual(new Set(kinds(results)), new Set(['COMMITTED']));
  t.is(Number((await world.run(world.store.status())).revision - before), 10);
  t.is((await office.describeCluster()).underReplicatedPartitions, changes.length);
});
