import { heal, plague } from './faults/nemesis.ts';
import { deleteRetentionMs, Latest, latestTopic } from './workload/latest.ts';
import type { World } from './world.ts';

const decidedMaxMs = 120_000;
const readMaxMs = 90_000;

/** A topic that is compacted all the time while it is written and read, and everything fails. */
export async function liveCompacted(world: World): Promise<void> {
  const { random, cluster } = world;
  for (const coordinator of cluster.coordinators) world.startCoordinator(coordinator);
  for (const operator of world.operators) operator.run();
  await world.until('the cluster starts', () => world.operators.every(({ isServing }) => isServing), 30_000);
  const { admin } = world.person('admin').client;
  const config = {
    cleanup: 'compact',
    'segment.bytes': '64KiB',
    'delete.retention': `${deleteRetentionMs}ms`,
    'min.insync.replicas': world.replicas > 1 && random.chance(0.5) ? '2' : '1',
  };
  const creating = world.background(async () => {
    await admin.createTopic({ name: latestTopic, partitions: 1, replicas: world.replicas, config });
  });
  await world.until('the topic is made', () => creating.isOver, 30_000);
  const latest = new Latest(world);
  const using = [
    ...[1, 2, 3].map((n) => world.background(() => latest.write(`writer-${n}`))),
    ...[1, 2].map((n) => world.background(() => latest.read(`reader-${n}`))),
    world.background(() => latest.follow('follower')),
    world.background(() => latest.compact()),
  ];
  const plagued = world.background(() => plague(world, 7_000 + random.below(12_000)));
  await world.until('the faults end', () => plagued.isOver, 300_000);
  await heal(world);
  await world.runFor(2_000);
  world.isBusy = false;
  await world.until('everything is decided', () => using.every(({ isOver }) => isOver), decidedMaxMs);
  const checking = world.background(() => latest.check());
  await world.until('the newest records are read', () => checking.isOver, readMaxMs);
}
