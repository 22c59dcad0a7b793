import test from 'ava';
import { inSync, threeNodes } from './three-nodes.ts';

test('a node that leaves hears who leads in its place, and its session goes on until it ends it', async (t) => {
  const { world, office, leader } = await threeNodes(t, 6);
  const leaving = leader();
  leaving.say({ leaving: true });
  await world.time.runFor(100);
  for (let index = 0; index < 6; index++) {
    const { leader: now = 0 } = await office.leader('a', index);
    t.not(now, leaving.id);
    t.false((await inSync(office, index)).includes(leaving.id));
  }
  const told = [...leaving.assignments.values()];
  t.is(told.length, 6);
  t.true(told.every(({ partition }) => partition?.leader !== leaving.id && partition?.inSync?.length === 2));
  await world.time.runFor(30_000);
  t.is(leaving.ending, undefined);
  leaving.say({ ready: true });
  await world.time.runFor(1_000);
  t.false((await inSync(office)).includes(leaving.id), 'it is not asked again in this session');
});

test('a node that leaves hands over in the write that takes it out of the ISR', async (t) => {
  const { world, leader } = await threeNodes(t, 1);
  const before = (await world.run(world.store.status())).revision;
  leader().say({ leaving: true });
  await world.time.runFor(1_000);
  t.is((await world.run(world.store.status())).revision - before, 2n, 'the fence, and the partition');
});

test('after restarts every preferred leader leads again, when it has been in sync for a while', async (t) => {
  const { world, office, node, leader, followers, assignment, change, alter, restart } = await threeNodes(t);
  const preferred = leader();
  preferred.die();
  await world.until(async () => (await office.leader('a')).leader !== preferred.id);
  const back = await restart(preferred.id);
  await world.time.runFor(60_000);
  t.not(leader().id, preferred.id, 'it is not in sync yet');
  const [other] = followers().filter(({ id }) => id !== preferred.id);
  await alter(leader(), change([leader(), back]));
  await world.time.runFor(25_000);
  t.not(leader().id, preferred.id);
  await world.time.runFor(11_000);
  t.is(leader().id, preferred.id);
  t.is(assignment()?.partition?.leaderEpoch, 3);
  t.is(assignment()?.leaderNodeEpoch, back.epoch);
  t.false((await inSync(office)).includes(other?.id ?? 0), 'a missing third changes nothing');
  await alter(leader(), change([1, 2, 3].map(node)));
  await world.time.runFor(60_000);
  t.is(assignment()?.partition?.leaderEpoch, 3, 'and there it stays');
});

test('preferred leaders take over a bounded number at a time', async (t) => {
  const { world, office, leader, assignment, change, alter, restart } = await threeNodes(t, 360);
  const preferred = leader();
  const led = Array.from({ length: 360 }, (_, i) => i).filter((i) => leader(i).id === preferred.id);
  t.is(led.length, 120);
  preferred.die();
  await world.until(async () => (await office.leader('a')).leader !== preferred.id);
  const back = await restart(preferred.id);
  await world.time.runFor(1_000);
  for (const index of led) await alter(leader(index), change([leader(index), back], index));
  const count = (): number => led.filter((index) => assignment(index)?.partition?.leader === preferred.id).length;
  const steps = new Set<number>();
  await world.until(async () => {
    steps.add(count());
    return count() === 120;
  }, 90_000);
  t.true(steps.has(50) && steps.has(100));
  t.is((await office.describeCluster()).offlinePartitions, 0);
});
