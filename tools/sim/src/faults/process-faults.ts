import type { World } from '../world.ts';
import { between, type Fault } from './fault.ts';

/** Ends the node as told, and starts it again after a while; it may die again while it starts. */
export async function bounce(world: World, how: 'kill' | 'power'): Promise<void> {
  world.killNode(how);
  world.cluster.node().disk.heal();
  await world.sleep(between(world, 20, 3_000));
  world.startNode();
  while (world.random.chance(0.2)) {
    await world.sleep(world.random.below(60));
    world.killNode(world.random.chance(0.5) ? 'kill' : 'power');
    world.startNode();
  }
}

const stopInOrder = async (world: World): Promise<void> => {
  const { cluster, trace } = world;
  if (!cluster.node().isRunning || !cluster.node().service.isServing) return;
  trace.note('node stop');
  const { service } = cluster.node();
  world.background('stop', () => cluster.node().stop());
  const isStopping = (): boolean => cluster.node().isRunning && cluster.node().service === service;
  for (let waitedMs = 0; isStopping() && waitedMs < 10_000; waitedMs += 100) await world.sleep(100);
  // A disk or a coordinator that does not answer: whoever runs the node loses patience.
  if (isStopping()) world.killNode('kill');
  await world.sleep(between(world, 20, 1_000));
  world.startNode();
};

const pauseSomeone = async (world: World): Promise<void> => {
  const person = world.people[world.random.below(world.people.length)];
  if (person === undefined) return;
  const { cluster, weather, trace } = world;
  const others = cluster.addresses;
  trace.note(`pause ${person.name}`);
  person.timers.pause();
  for (const other of others) {
    weather.hold(other, person.name);
    weather.hold(person.name, other);
  }
  await world.sleep(between(world, 300, 15_000));
  trace.note(`resume ${person.name}`);
  for (const other of others) {
    weather.release(cluster.network, other, person.name);
    weather.release(cluster.network, person.name, other);
  }
  person.timers.resume();
};

const restartCoordinator = async (world: World): Promise<void> => {
  world.trace.note('coordinator kill');
  world.cluster.coordinator().kill();
  await world.sleep(between(world, 50, 6_000));
  world.startCoordinator();
};

export const processFaults: readonly Fault[] = [
  { name: 'kill', weight: 3, run: (world) => bounce(world, 'kill') },
  { name: 'power', weight: 4, run: (world) => bounce(world, 'power') },
  { name: 'stop', weight: 1, run: stopInOrder },
  { name: 'pause', weight: 1, run: pauseSomeone },
  { name: 'coordinator', weight: 2, run: restartCoordinator },
];
