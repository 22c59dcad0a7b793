import type { Operator } from '../operator.ts';
import type { World } from '../world.ts';
import { between, type Fault, shuffled, until } from './fault.ts';

/** Ends the node as told, and starts it again after a while; it may die again while it starts. */
export async function bounce(world: World, operator: Operator, how: 'kill' | 'power'): Promise<void> {
  if (how === 'power' && world.random.chance(0.7)) await writing(world, operator);
  operator.end(how);
  operator.node.disk.heal();
  await world.sleep(between(world, 20, 3_000));
  operator.run();
  while (world.random.chance(0.2)) {
    await world.sleep(world.random.below(60));
    operator.end(world.random.chance(0.5) ? 'kill' : 'power');
    operator.run();
  }
}

/** Waits, not for long, for a moment at which something is written and not synced. */
async function writing(world: World, { node }: Operator): Promise<void> {
  const isWriting = (): boolean =>
    !node.isRunning || [...node.service.partitions].some(({ log }) => log.writtenEnd > log.durableEnd);
  await until(world, isWriting, { everyMs: 0.5, maxMs: 150 });
}

const endAll = async (world: World): Promise<void> => {
  for (const operator of world.operators) operator.end(world.random.chance(0.5) ? 'kill' : 'power');
  for (const operator of world.operators) {
    await world.sleep(world.random.below(1_500));
    operator.run();
  }
};

/** One after the other they go, and what is written in between is on fewer and fewer of them; they come back in any order. */
const cascade = async (world: World): Promise<void> => {
  const { random } = world;
  for (const operator of shuffled(world.operators, random)) {
    operator.end(random.chance(0.5) ? 'kill' : 'power');
    await world.sleep(random.below([100, 700, 2_500][random.below(3)] ?? 100));
  }
  for (const operator of shuffled(world.operators, random)) {
    operator.run();
    await world.sleep(random.below(3_000));
  }
};

const stopInOrder = async (world: World): Promise<void> => {
  const operator = world.anyNode();
  const { node } = operator;
  if (!operator.isServing) return;
  world.trace.note(`${operator.name} stop`);
  const { service } = node;
  world.background(() => node.stop());
  const isStopping = (): boolean => node.isRunning && node.service === service;
  await until(world, () => !isStopping(), { everyMs: 100, maxMs: 10_000 });
  // A disk or a coordinator that does not answer: whoever runs the node loses patience.
  if (isStopping()) operator.end('kill');
  await world.sleep(between(world, 20, 1_000));
  operator.run();
};

const pauseClient = async (world: World): Promise<void> => {
  const person = world.people[world.random.below(world.people.length)];
  if (person === undefined) return;
  const { network } = world.cluster;
  world.trace.note(`pause ${person.name}`);
  person.timers.pause();
  network.freeze(person.name);
  await world.sleep(between(world, 300, 15_000));
  world.trace.note(`resume ${person.name}`);
  network.thaw(person.name);
  person.timers.resume();
};

const pauseServer = async (world: World): Promise<void> => {
  const machine = world.random.chance(0.5) ? world.anyNode().node : world.anyCoordinator();
  if (!machine.isRunning || machine.isPaused) return;
  world.trace.note(`pause ${machine.address}`);
  world.pauses += 1;
  machine.pause();
  await world.sleep(between(world, 300, world.random.chance(0.3) ? 40_000 : 8_000));
  world.trace.note(`resume ${machine.address}`);
  world.pauses += 1;
  machine.resume();
};

const restartCoordinator = async (world: World): Promise<void> => {
  const coordinator = world.anyCoordinator();
  world.trace.note(`${coordinator.address} kill`);
  coordinator.kill();
  await world.sleep(between(world, 50, 6_000));
  world.startCoordinator(coordinator);
};

/**
 * The active coordinator is suspended with its clock, and another one takes office. When it wakes, cut off from the store, it
 * takes itself for the active one until what it believes to be its lease is over, and nodes that have lost the real one
 * ask it. Clients do not: what it would tell them is out of date, and no promise was made about that.
 */
const sleepwalk = async (world: World): Promise<void> => {
  const { cluster, weather, trace, random } = world;
  const coordinator = cluster.coordinators.find((one) => world.isActive(one));
  if (coordinator === undefined || cluster.coordinators.length < 2) return;
  const { address } = coordinator;
  trace.note(`suspend ${address}`);
  world.pauses += 1;
  world.sleepwalkers.add(coordinator);
  coordinator.cutFromStore();
  coordinator.suspend();
  await until(world, () => cluster.coordinators.some((one) => world.isActive(one)), { everyMs: 250, maxMs: 20_000 });
  for (const { name } of world.operators) cluster.network.cut(name, address);
  await world.sleep(between(world, 500, 1_500));
  await bounce(world, world.anyNode(), 'kill');
  await world.sleep(random.below(2_000));
  trace.note(`${address} wakes`);
  world.pauses += 1;
  for (const { name } of world.people) weather.hold(name, address);
  coordinator.resume();
  for (let times = 0; times < 10 && world.isActive(coordinator); times += 1) {
    for (const other of cluster.coordinators) {
      if (other !== coordinator) cluster.network.cut(world.anyNode().name, other.address);
    }
    await world.sleep(between(world, 50, 800));
  }
  coordinator.joinStore();
  // Where nobody has taken its place meanwhile, it is the active one indeed.
  await until(world, () => !world.isActive(coordinator), { everyMs: 100, maxMs: 15_000 });
  for (const { name } of world.people) weather.release(cluster.network, name, address);
  world.sleepwalkers.delete(coordinator);
};

export const processFaults: readonly Fault[] = [
  { name: 'kill', weight: 3, run: (world) => bounce(world, world.anyNode(), 'kill') },
  { name: 'power', weight: 4, run: (world) => bounce(world, world.anyNode(), 'power') },
  { name: 'all', weight: 1, run: endAll },
  { name: 'cascade', weight: 4, run: cascade },
  { name: 'stop', weight: 1, run: stopInOrder },
  { name: 'pause', weight: 1, run: pauseClient },
  { name: 'freeze', weight: 2, run: pauseServer },
  { name: 'coordinator', weight: 2, run: restartCoordinator },
  { name: 'sleepwalk', weight: 2, run: sleepwalk },
];
