import type { Operator } from '../operator.ts';
import type { World } from '../world.ts';
import { between, type Fault } from './fault.ts';

/** Ends the node as told, and starts it again after a while; it may die again while it starts. */
export async function bounce(world: World, operator: Operator, how: 'kill' | 'power'): Promise<void> {
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

const endAll = async (world: World): Promise<void> => {
  for (const operator of world.operators) operator.end(world.random.chance(0.5) ? 'kill' : 'power');
  for (const operator of world.operators) {
    await world.sleep(world.random.below(1_500));
    operator.run();
  }
};

const stopInOrder = async (world: World): Promise<void> => {
  const operator = world.anyNode();
  const { node } = operator;
  if (!operator.isServing) return;
  world.trace.note(`${operator.name} stop`);
  const { service } = node;
  world.background('stop', () => node.stop());
  const isStopping = (): boolean => node.isRunning && node.service === service;
  for (let waitedMs = 0; isStopping() && waitedMs < 10_000; waitedMs += 100) await world.sleep(100);
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

export const processFaults: readonly Fault[] = [
  { name: 'kill', weight: 3, run: (world) => bounce(world, world.anyNode(), 'kill') },
  { name: 'power', weight: 4, run: (world) => bounce(world, world.anyNode(), 'power') },
  { name: 'all', weight: 1, run: endAll },
  { name: 'stop', weight: 1, run: stopInOrder },
  { name: 'pause', weight: 1, run: pauseClient },
  { name: 'freeze', weight: 2, run: pauseServer },
  { name: 'coordinator', weight: 2, run: restartCoordinator },
];
