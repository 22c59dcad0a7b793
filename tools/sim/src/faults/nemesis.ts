import type { World } from '../world.ts';
import { diskFaults } from './disk-faults.ts';
import { between, type Fault } from './fault.ts';
import { groupFaults } from './group-faults.ts';
import { outsideFaults } from './outside-faults.ts';
import { processFaults } from './process-faults.ts';

/** Every fault that a history may meet. */
const logFaults: readonly Fault[] = [...processFaults, ...diskFaults, ...outsideFaults];

/**
 * With groups their own come first. What groups keep, and what must be readable in the end, may not rot where nobody has another
 * copy.
 */
function faultsOf({ cluster, replicas, random, kind }: World): readonly Fault[] {
  if (kind === 'log') return logFaults;
  const sound = replicas === 1 ? logFaults.filter(({ name }) => name !== 'rot') : logFaults;
  if (cluster.groupCoordinators.length === 0) return sound;
  return random.chance(0.5) ? groupFaults : [...groupFaults, ...sound];
}

/** Lets things go wrong, one after the other and sometimes together, for so long. */
export async function plague(world: World, forMs: number): Promise<void> {
  const { random, trace, cluster } = world;
  // Each history has faults of its own: what is rare among many kinds is common among few.
  const all = faultsOf(world);
  const alone = choose(world, all);
  const kinds = alone !== undefined && random.chance(0.3) ? [alone] : all.filter(() => random.chance(0.4));
  trace.note(`faults: ${kinds.map(({ name }) => name).join(' ')}`);
  const endMs = cluster.time.monotonicMs() + forMs;
  const running: Promise<void>[] = [];
  while (cluster.time.monotonicMs() < endMs) {
    await world.sleep(between(world, 100, 2_500));
    const fault = choose(world, kinds);
    if (fault === undefined) continue;
    const ended = fault.run(world);
    if (random.chance(0.7)) await ended;
    else running.push(ended);
  }
  await Promise.all(running);
}

function choose(world: World, kinds: readonly Fault[]): Fault | undefined {
  let left = world.random.next() * kinds.reduce((sum, { weight }) => sum + weight, 0);
  return kinds.find(({ weight }) => {
    left -= weight;
    return left < 0;
  });
}

/** Everything is well again, from now on. */
export async function heal(world: World): Promise<void> {
  const { cluster, trace, weather } = world;
  trace.note('all is well');
  world.isHealed = true;
  for (const { disk, clock } of cluster.nodes) {
    disk.heal();
    disk.releaseSyncs();
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    clock.skewMs = 0;
  }
  for (const clock of [...cluster.coordinators.map(({ clock }) => clock), cluster.clientClock]) clock.skewMs = 0;
  cluster.store.faults.unavailable = false;
  cluster.store.faults.delayMs = 0;
  cluster.store.faults.clear();
  weather.clear(cluster.network);
  for (const { timers, name } of world.people) {
    cluster.network.thaw(name);
    timers.resume();
  }
  for (const coordinator of cluster.coordinators) coordinator.joinStore();
  for (const machine of [...cluster.coordinators, ...cluster.nodes, ...cluster.groupCoordinators]) machine.resume();
  for (const coordinator of cluster.coordinators) world.startCoordinator(coordinator);
  for (const machine of cluster.groupCoordinators) world.startGroupCoordinator(machine);
  for (const operator of world.operators) {
    if (!operator.node.isRunning) operator.run();
    else if (operator.isUseless) operator.again();
  }
}
