import { groupsTopic } from '@moldau/metadata';
import type { SimulatedGroupCoordinator } from '@moldau/testing';
import type { World } from '../world.ts';
import { between, type Fault, shuffled, until } from './fault.ts';

const one = ({ cluster, random }: World): SimulatedGroupCoordinator | undefined =>
  cluster.groupCoordinators[random.below(cluster.groupCoordinators.length)];

const kill = async (world: World): Promise<void> => {
  const machine = one(world);
  if (machine === undefined) return;
  world.trace.note(`${machine.address} kill`);
  machine.kill();
  await world.sleep(between(world, 20, world.random.chance(0.5) ? 500 : 8_000));
  world.startGroupCoordinator(machine);
};

/** Its shards go to others before it does. */
const stop = async (world: World): Promise<void> => {
  const machine = one(world);
  if (machine === undefined || !machine.isRunning || machine.isPaused) return;
  world.trace.note(`${machine.address} stop`);
  const { service } = machine;
  world.background(() => machine.stop());
  const isStopping = (): boolean => machine.isRunning && machine.service === service;
  await until(world, () => !isStopping(), { everyMs: 100, maxMs: 15_000 });
  // Whoever runs it loses patience.
  if (isStopping()) machine.kill();
  await world.sleep(between(world, 20, 2_000));
  world.startGroupCoordinator(machine);
};

/** It sleeps, others take its shards over, and it wakes as if it still had them. */
const pause = async (world: World): Promise<void> => {
  const machine = one(world);
  if (machine === undefined || !machine.isRunning || machine.isPaused) return;
  const { address } = machine;
  const ways = world.cluster.coordinators.map((coordinator) => [coordinator.address, address] as const);
  world.trace.note(`pause ${address}`);
  machine.pause();
  await world.sleep(between(world, 300, world.random.chance(0.3) ? 3_000 : 20_000));
  // Sometimes it takes a while until it is told.
  const isDeaf = world.random.chance(0.5);
  if (isDeaf) for (const [from, to] of ways) world.weather.hold(from, to);
  world.trace.note(`resume ${address}${isDeaf ? ', deaf' : ''}`);
  machine.resume();
  if (!isDeaf) return;
  await world.sleep(between(world, 1_000, 10_000));
  for (const [from, to] of ways) world.weather.release(world.cluster.network, from, to);
};

/** Cut off from all coordinators: its shards go to others, and it serves on, for all that it knows. */
const deaf = async (world: World): Promise<void> => {
  const machine = one(world);
  if (machine === undefined) return;
  const { weather, cluster, trace } = world;
  const ways = cluster.coordinators.flatMap(({ address }) => [
    [machine.address, address] as const,
    [address, machine.address] as const,
  ]);
  trace.note(`${machine.address} is cut off from the coordinators`);
  for (const [from, to] of ways) weather.hold(from, to);
  await world.sleep(between(world, 4_000, 25_000));
  for (const [from, to] of ways) weather.release(cluster.network, from, to);
  trace.note(`${machine.address} is back`);
};

/** Cut off from one storage node: whatever that leads neither grows nor is read. */
const logless = async (world: World): Promise<void> => {
  const machine = one(world);
  if (machine === undefined) return;
  const { weather, cluster, trace } = world;
  const { name } = world.anyNode();
  trace.note(`${machine.address} does not reach ${name}`);
  const ways = world.random.chance(0.5) ? [[machine.address, name] as const] : [[name, machine.address] as const];
  for (const [from, to] of ways) weather.hold(from, to);
  await world.sleep(between(world, 200, 9_000));
  for (const [from, to] of ways) weather.release(cluster.network, from, to);
};

/**
 * One comes back, and is given half of the shards of the other, which does not hear of it. The network is divided: some members
 * reach the old owner alone, and all others the new one.
 */
const overtaken = async (world: World): Promise<void> => {
  const { weather, cluster, trace, random } = world;
  const [stays, comes] = shuffled(cluster.groupCoordinators, random);
  if (stays === undefined || comes === undefined) return;
  const hasAll = (): boolean => stays.isRunning && stays.service.servedShards.length === groupsTopic.partitions;
  trace.note(`${comes.address} kill`);
  comes.kill();
  await until(world, hasAll, { everyMs: 100, maxMs: 15_000 });
  await world.sleep(between(world, 200, 3_000));
  const members = theNewest(world);
  const old = members.filter(() => random.chance(0.5));
  const left = [stays.address, ...old];
  const coordinators = cluster.coordinators.map(({ address }) => address);
  const right = [...coordinators, comes.address, ...members.filter((name) => !old.includes(name))];
  // What old members do not read they do not commit.
  const nodes = cluster.nodes.map(({ address }) => address);
  const ways = [
    ...left.flatMap((one) => right.flatMap((other) => [[one, other] as const, [other, one] as const])),
    ...old.flatMap((name) => nodes.map((node) => [node, name] as const)),
  ];
  trace.note(`apart from all others: ${left.join(' ')}`);
  for (const [from, to] of ways) weather.hold(from, to);
  world.startGroupCoordinator(comes);
  await world.sleep(between(world, 5_000, 12_000));
  for (const [from, to] of ways) weather.release(cluster.network, from, to);
  trace.note('together again');
};

/** Of the members those that joined last; some of them may be dead. */
const theNewest = ({ people }: World): string[] =>
  people.flatMap(({ name }) => (name.startsWith('member-') ? [name] : [])).slice(-8);

/** What members say stays on its way for a while, and they hear all that they are told. */
const unheard = async (world: World): Promise<void> => {
  const { weather, cluster, trace, random } = world;
  const members = theNewest(world);
  for (let times = 1 + random.below(4); times > 0; times -= 1) {
    const some = members.filter(() => random.chance(0.4));
    const ways = some.flatMap((name) => cluster.groupCoordinators.map(({ address }) => [name, address] as const));
    trace.note(`unheard: ${some.join(' ')}`);
    for (const [from, to] of ways) weather.hold(from, to);
    await world.sleep(between(world, 100, random.chance(0.3) ? 9_000 : 2_500));
    for (const [from, to] of ways) weather.release(cluster.network, from, to);
    trace.note('heard again');
    await world.sleep(between(world, 20, 1_000));
  }
};

/**
 * What members have said arrives when they have been told more, and what that was when others have been told otherwise. Shorter
 * than a session.
 */
const crossed = async (world: World): Promise<void> => {
  const { weather, cluster, trace, random } = world;
  for (let times = 1 + random.below(4); times > 0; times -= 1) {
    const some = theNewest(world).filter(() => random.chance(0.4));
    const pairs = some.flatMap((name) => cluster.groupCoordinators.map(({ address }) => [name, address] as const));
    trace.note(`unheard: ${some.join(' ')}`);
    for (const [name, address] of pairs) weather.hold(name, address);
    await world.sleep(between(world, 50, 1_500));
    trace.note('deaf, too');
    for (const [name, address] of pairs) weather.hold(address, name);
    await world.sleep(between(world, 50, 1_000));
    for (const [name, address] of pairs) weather.release(cluster.network, name, address);
    trace.note('heard, and deaf');
    await world.sleep(between(world, 200, 2_500));
    for (const [name, address] of pairs) weather.release(cluster.network, address, name);
    await world.sleep(between(world, 20, 500));
  }
};

/** Faults of the machines that coordinate groups, and of the way to them. */
export const groupFaults: readonly Fault[] = [
  { name: 'group-kill', weight: 5, run: kill },
  { name: 'group-stop', weight: 3, run: stop },
  { name: 'group-pause', weight: 5, run: pause },
  { name: 'group-deaf', weight: 5, run: deaf },
  { name: 'group-overtaken', weight: 4, run: overtaken },
  { name: 'group-logless', weight: 4, run: logless },
  { name: 'unheard-members', weight: 6, run: unheard },
  { name: 'crossed-members', weight: 6, run: crossed },
];
