import type { DiskOperation } from '@moldau/testing';
import type { World } from '../world.ts';
import { between, type Fault } from './fault.ts';
import { bounce } from './process-faults.ts';
import { damageSomething } from './rot.ts';

const failing: readonly DiskOperation[] = ['append', 'sync', 'sync', 'syncDirectory', 'open', 'rename', 'truncate'];

/** A call fails for good. The node may go on as it likes, but for acknowledging; then someone takes it away. */
const inputOutputError = async (world: World): Promise<void> => {
  const { random, trace } = world;
  const operator = world.anyNode();
  const { disk } = operator.node;
  const operation = failing[random.below(failing.length)] ?? 'sync';
  trace.note(`the disk of ${operator.name} will fail: ${operation}`);
  disk.fail(operation, 'EIO', 1 + random.below(6), random.chance(0.5) ? '.log' : '');
  await world.sleep(between(world, 1_000, 8_000));
  disk.heal();
  if (operator.isUseless) await bounce(world, operator, random.chance(0.5) ? 'kill' : 'power');
};

const noSpaceOnce = async (world: World): Promise<void> => {
  const { random, trace } = world;
  const operator = world.anyNode();
  const { disk } = operator.node;
  trace.note(`the disk of ${operator.name} will have no room for one write`);
  disk.fail('append', 'ENOSPC', 1 + random.below(6), random.chance(0.7) ? '.log' : '');
  await world.sleep(between(world, 500, 4_000));
  disk.heal();
  if (operator.startFailed) await bounce(world, operator, 'kill');
};

const diskFull = async (world: World): Promise<void> => {
  const { random, trace } = world;
  const operator = world.anyNode();
  const { disk } = operator.node;
  disk.capacityBytes = 1e12;
  const used = 1e12 - disk.freeBytes;
  disk.capacityBytes = used + random.below(128 * 1024);
  trace.note(`the disk of ${operator.name} is full but for ${disk.freeBytes} bytes`);
  await world.sleep(between(world, 1_000, 10_000));
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  trace.note(`the disk of ${operator.name} has room`);
  if (operator.startFailed) await bounce(world, operator, 'kill');
};

const stuckSyncs = async (world: World): Promise<void> => {
  const { random, trace } = world;
  const { disk } = world.anyNode().node;
  for (let times = 1 + random.below(3); times > 0; times -= 1) {
    trace.note('syncs hang');
    disk.holdSyncs();
    await world.sleep(random.chance(0.7) ? between(world, 20, 800) : between(world, 1_000, 8_000));
    disk.releaseSyncs();
    trace.note('syncs go on');
    await world.sleep(between(world, 20, 500));
  }
};

const rot = async (world: World): Promise<void> => {
  const { random } = world;
  const operator = world.rotten ?? world.anyNode();
  const partition = await damageSomething(world, operator);
  if (partition === undefined) return;
  // Somebody comes by and finds it, as a scrub or a reader does, or nobody for a long time.
  if (random.chance(0.5)) partition.damaged();
  if (random.chance(0.4)) return;
  await world.sleep(between(world, 20, 1_000));
  await bounce(world, operator, random.chance(0.5) ? 'kill' : 'power');
};

export const diskFaults: readonly Fault[] = [
  { name: 'eio', weight: 2, run: inputOutputError },
  { name: 'enospc', weight: 2, run: noSpaceOnce },
  { name: 'full', weight: 2, run: diskFull },
  { name: 'stuck', weight: 2, run: stuckSyncs },
  { name: 'rot', weight: 2, run: rot },
];
