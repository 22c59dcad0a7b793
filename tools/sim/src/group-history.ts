import type { Admin } from '@moldau/client';
import { heal, plague } from './faults/nemesis.ts';
import { Violation } from './oracle/violation.ts';
import { askForOffsets, commitForOthers, requireUsual, seekBack } from './workload/group-asking.ts';
import { MemberSlot } from './workload/group-members.ts';
import { GroupUnderTest, type ReadTopic } from './workload/group-under-test.ts';
import { writeInPeace } from './workload/peace.ts';
import { produce } from './workload/producing.ts';
import { standAlone } from './workload/standing-alone.ts';
import type { World } from './world.ts';

/** After the last fault: how long until everybody has a share, until all is read, and until that is committed. */
const sharedMaxMs = 90_000;
const readMaxMs = 90_000;
const committedMaxMs = 60_000;
const decidedMaxMs = 120_000;

/** A group whose members come and go while what they read is written, and its coordinators fail. */
export async function liveInGroups(world: World): Promise<void> {
  const { random, cluster } = world;
  for (const coordinator of cluster.coordinators) world.startCoordinator(coordinator);
  for (const operator of world.operators) operator.run();
  for (const machine of cluster.groupCoordinators) world.startGroupCoordinator(machine);
  await world.until('the cluster starts', () => world.operators.every(({ isServing }) => isServing), 30_000);
  const topics = await makeTopics(world);
  const group = new GroupUnderTest(world, 'readers', topics);
  const [first] = topics;
  const slots = Array.from(
    { length: 2 + random.below(3) },
    (_, i) => new MemberSlot(world, group, `member-${i + 1}`, false),
  );
  // Whoever asks where a group stands, or commits, tells an owner of its shard that was overtaken: in quiet nobody does for long.
  const isQuiet = random.chance(0.4);
  for (let left = isQuiet ? 0 : random.below(4); left > 0; left -= 1)
    slots.push(new MemberSlot(world, group, `member-fickle-${left}`, true));
  const living = slots.map((slot) => world.background(() => slot.run()));
  const asking = () => [
    world.background(() => askForOffsets(world, 'asker', group)),
    world.background(() => commitForOthers(world, 'impostor', group)),
    ...(random.chance(0.3) ? [world.background(() => seekBack(world, 'seeker', group))] : []),
  ];
  const most = isQuiet ? 10 + random.below(60) : undefined;
  const writing = [
    ...topics.map(({ name }, i) => world.background(() => produce(world, `p${i}`, name, true, most))),
    world.background(() => standAlone(world, 'alone', first)),
    ...(isQuiet ? [] : asking()),
  ];
  const plagued = world.background(() => plague(world, 7_000 + random.below(15_000)));
  await world.until('the faults end', () => plagued.isOver, 300_000);
  await heal(world);
  await world.runFor(2_000);
  world.isBusy = false;
  await world.until('everything is decided', () => writing.every(({ isOver }) => isOver), decidedMaxMs);
  await world.until('the last members stay', () => living.every(({ isOver }) => isOver), 30_000);
  await writeInPeace(world, topics);
  await world.until('every partition has an owner', () => group.isShared, sharedMaxMs);
  await world.until('every record was given to a member', () => group.missing.length === 0, readMaxMs);
  await requireCommitted(world, group);
  const leaving = world.background(async () => {
    for (const slot of slots) await slot.close();
  });
  await world.until('the members leave', () => leaving.isOver, 60_000);
}

async function makeTopics(world: World): Promise<readonly [ReadTopic, ...ReadTopic[]]> {
  const { admin } = world.person('admin').client;
  const { random, replicas } = world;
  const made: ReadTopic[] = [];
  const names = random.chance(0.5) ? ['one'] : ['one', 'two'];
  const creating = world.background(async () => {
    for (const name of names) {
      const partitions = 1 + random.below(6);
      const { id } = await admin.createTopic({ name, partitions, replicas });
      made.push({ name, id, partitions });
    }
  });
  await world.until('the topics are made', () => creating.isOver, 30_000);
  const [first, ...others] = made;
  if (first === undefined) throw new Error('no topic was made');
  return [first, ...others];
}

/** In peace the group comes to the end of everything, and says so. */
async function requireCommitted(world: World, group: GroupUnderTest): Promise<void> {
  const person = world.person('last');
  let problem = '';
  const looking = world.background(async () => {
    for (;;) {
      problem = await whatIsLeft(world, person.client.admin, group);
      if (problem === '') return;
      await world.sleep(500);
    }
  });
  try {
    await world.until('the group has committed all', () => looking.isOver, committedMaxMs);
  } catch (error) {
    throw error instanceof Violation && error.rule === 'liveness' && problem !== ''
      ? new Violation('liveness', `the group does not come to its end: ${problem}`)
      : error;
  }
}

/** Empty: nothing is. */
async function whatIsLeft(world: World, admin: Admin, { name, read }: GroupUnderTest): Promise<string> {
  try {
    const { positions, members } = await admin.describeGroup(name);
    for (const { topic, partition, lag, committed } of positions)
      if (lag !== 0n) return `${topic}/${partition} is committed up to ${committed}, lag ${lag}`;
    for (const topic of read) {
      const committed = positions.filter((one) => one.topic === topic.name).length;
      if (committed < topic.partitions) return `${committed} of ${topic.partitions} partitions are committed`;
    }
    const moving = members.find(({ revoking, pending }) => revoking.length + pending.length > 0);
    return moving === undefined ? '' : `${moving.memberId} has not got, or given up, what it shall`;
  } catch (error) {
    const { reason } = requireUsual(error);
    world.trace.note(`the group is not described: ${reason}`);
    return `it is not described: ${reason}`;
  }
}
