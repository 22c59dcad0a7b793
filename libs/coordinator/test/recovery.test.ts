import { ReplicaState } from '@moldau/proto/moldau/internal/v1/controller_pb';
import test from 'ava';
import { inSync, threeNodes } from './three-nodes.ts';

const { CLEAN, UNCLEAN, CORRUPT } = ReplicaState;

test('all are killed at once: who comes back first waits for the others, and the longest leads', async (t) => {
  const { world, office, node, restart } = await threeNodes(t);
  // What they reported when they started is long past.
  await world.time.runFor(20_000);
  for (const id of [1, 2, 3]) node(id).die();
  await world.until(async () => (await office.leader('a')).leader === undefined);
  await restart(1, { durableEnd: 5n, lastEpoch: 1 });
  await world.time.runFor(3_000);
  t.is((await office.leader('a')).leader, undefined, 'others may come');
  await restart(2, { durableEnd: 9n, lastEpoch: 1 });
  await world.time.runFor(3_000);
  t.is((await office.leader('a')).leader, undefined, 'one more may come');
  await restart(3, { durableEnd: 7n, lastEpoch: 1 });
  await world.time.runFor(100);
  t.deepEqual(await office.leader('a'), { leader: 2, epoch: 2 });
});

test('all are killed at once, and one stays away: the others wait for a session timeout', async (t) => {
  const { world, office, node, restart } = await threeNodes(t);
  for (const id of [1, 2, 3]) node(id).die();
  await world.until(async () => (await office.leader('a')).leader === undefined);
  await restart(1, { durableEnd: 5n, lastEpoch: 1 });
  await world.time.runFor(4_000);
  await restart(3, { durableEnd: 7n, lastEpoch: 1 });
  await world.time.runFor(4_000);
  t.is((await office.leader('a')).leader, undefined);
  await world.time.runFor(2_000);
  t.deepEqual(await office.leader('a'), { leader: 3, epoch: 2 });
});

test('a partition of one replica waits for nobody', async (t) => {
  const { world, office, node, restart } = await threeNodes(t);
  await world.run(office.createTopic({ name: 'alone', replicas: 1 }));
  const { leader = 0 } = await office.leader('alone');
  node(leader).die();
  await world.until(async () => (await office.leader('alone')).leader === undefined);
  await restart(leader);
  await world.time.runFor(100);
  t.deepEqual(await office.leader('alone'), { leader, epoch: 2 });
});

test('a leader that finds its copy damaged is replaced, and is in sync again once it has caught up', async (t) => {
  const { world, office, node, leader, assignment, change, alter, say } = await threeNodes(t);
  const first = leader();
  say(first, { leaderEpoch: 1, lastEpoch: 1, durableEnd: 9n, state: CORRUPT, resignedEpoch: 1 });
  await world.time.runFor(100);
  t.not(leader().id, first.id);
  t.is(assignment()?.partition?.leaderEpoch, 2);
  t.false((await inSync(office)).includes(first.id));
  await alter(leader(), change([1, 2, 3].map(node)));
  await world.time.runFor(100);
  t.deepEqual(await inSync(office), [1, 2, 3], 'its leader vouches for the new copy');
  say(first, { leaderEpoch: 2, lastEpoch: 2, durableEnd: 9n, state: CORRUPT });
  await world.time.runFor(100);
  t.false((await inSync(office)).includes(first.id), 'until it is damaged again');
});

test('the only one in sync finds its copy damaged: it leads on under the next epoch, until a whole one is back', async (t) => {
  const { world, office, leader, followers, assignment, restart, say } = await threeNodes(t);
  const [one, two] = followers();
  for (const node of [one, two]) node?.die();
  await world.until(async () => (await inSync(office)).length === 1);
  const damaged = leader();
  say(damaged, { leaderEpoch: 1, lastEpoch: 1, durableEnd: 9n, state: CORRUPT, resignedEpoch: 1 });
  await world.time.runFor(100);
  t.deepEqual(await office.leader('a'), { leader: damaged.id, epoch: 2 });
  t.is(assignment()?.lastUncleanEpoch, 0, 'somebody else has everything');
  await restart(one?.id ?? 0, { durableEnd: 9n, lastEpoch: 1 });
  await world.time.runFor(100);
  t.deepEqual(await office.leader('a'), { leader: one?.id, epoch: 3 });
  t.deepEqual(assignment()?.elr, [two?.id]);
});

test('who comes back unclean is not eligible; when all do, the longest leads with the loss on record', async (t) => {
  const { world, office, node, followers, assignment, restart } = await threeNodes(t, 1, { flush: 'interval' });
  const [one] = followers();
  for (const follower of followers()) follower.die();
  await world.until(async () => (await inSync(office)).length === 1);
  await restart(one?.id ?? 0, { state: UNCLEAN, durableEnd: 3n });
  await world.time.runFor(100);
  t.false(assignment()?.elr?.includes(one?.id ?? 0));
  for (const id of [1, 2, 3]) node(id).die();
  await world.until(async () => (await office.leader('a')).leader === undefined);
  const away = [1, 2, 3].filter((id) => id !== one?.id);
  await restart(away[0] ?? 0, { state: UNCLEAN, durableEnd: 5n });
  await world.time.runFor(20_000);
  t.is((await office.leader('a')).leader, undefined, 'the other one may have everything');
  await restart(away[1] ?? 0, { state: UNCLEAN, durableEnd: 7n });
  await world.time.runFor(100);
  t.is((await office.leader('a')).leader, away[1]);
  t.is(assignment()?.lastUncleanEpoch, assignment()?.partition?.leaderEpoch);
  t.regex((await office.describeCluster()).findings?.map(({ message }) => message).join() ?? '', /lost acknowledged/);
});

test('recovery = longest: with nobody left who has everything, the longest copy leads after a session timeout', async (t) => {
  const { world, office, leader, followers, assignment, change, alter, say } = await threeNodes(t, 1, {
    'min.insync.replicas': '1',
    recovery: 'longest',
  });
  const first = leader();
  await alter(first, change([first]));
  const [one, two] = followers();
  if (one !== undefined) say(one, { leaderEpoch: 1, lastEpoch: 1, durableEnd: 4n, state: CLEAN });
  if (two !== undefined) say(two, { leaderEpoch: 1, lastEpoch: 1, durableEnd: 8n, state: CLEAN });
  await world.time.runFor(20_000);
  first.die();
  await world.until(async () => (await office.leader('a')).leader === undefined);
  await world.time.runFor(8_000);
  t.is((await office.leader('a')).leader, undefined, 'the one that has everything may come back');
  await world.time.runFor(2_500);
  t.deepEqual(await office.leader('a'), { leader: two?.id, epoch: 2 });
  t.is(assignment()?.lastUncleanEpoch, 2);
});

test('recovery = wait: with nobody left who has everything, nobody leads', async (t) => {
  const { world, office, leader, change, alter } = await threeNodes(t, 1, { 'min.insync.replicas': '1' });
  const first = leader();
  await alter(first, change([first]));
  first.die();
  await world.until(async () => (await office.leader('a')).leader === undefined);
  await world.time.runFor(60_000);
  t.is((await office.leader('a')).leader, undefined);
});

test('min.insync.replicas is changed while the ELR is alive: it goes when enough are in sync, and stays below', async (t) => {
  const { world, office, node, leader, assignment, change, alter } = await threeNodes(t, 1, {
    'min.insync.replicas': '3',
  });
  const set = async (value: string) => {
    await world.run(office.updateTopic({ name: 'a', set: [{ key: 'min.insync.replicas', value }] }));
    await world.time.runFor(10);
    return { elr: assignment()?.elr?.length, minInSync: assignment()?.partition?.minInSync };
  };
  await alter(leader(), change([leader()]));
  await world.time.runFor(10);
  t.is(assignment()?.elr?.length, 2);
  t.deepEqual(await set('2'), { elr: 2, minInSync: 2 });
  t.deepEqual(await set('1'), { elr: 0, minInSync: 1 });
  t.deepEqual(await set('3'), { elr: 0, minInSync: 3 }, 'nobody is known to have what was written meanwhile');
  await alter(leader(), change([1, 2, 3].map(node)));
  await world.time.runFor(10);
  t.deepEqual(await inSync(office), [1, 2, 3]);
});
