import type { Operator } from '../operator.ts';
import type { World } from '../world.ts';
import { between, type Fault, shuffled, until } from './fault.ts';

const processes = (world: World): string[] => [...world.cluster.addresses, ...world.people.map(({ name }) => name)];

function pair(world: World): readonly [string, string] {
  const names = processes(world);
  // Most of the traffic ends at a node.
  const end = world.random.chance(0.2) ? world.anyCoordinator().address : world.anyNode().name;
  const others = names.filter((name) => name !== end);
  return [end, others[world.random.below(others.length)] ?? end];
}

const delay = async (world: World): Promise<void> => {
  const max = between(world, 5, 400);
  world.trace.note(`delays up to ${max} ms`);
  world.weather.delay({ min: 0, max });
  await world.sleep(between(world, 500, 5_000));
  world.weather.clear(world.cluster.network);
};

const cut = async (world: World): Promise<void> => {
  for (let times = 1 + world.random.below(3); times > 0; times -= 1) {
    const [a, b] = pair(world);
    world.trace.note(`cut ${a} – ${b}`);
    world.cluster.network.cut(a, b);
    await world.sleep(between(world, 5, 500));
  }
};

const silence = async (world: World): Promise<void> => {
  const { random, weather, cluster, trace } = world;
  const [a, b] = pair(world);
  const ways = random.chance(0.3) ? [[a, b] as const, [b, a] as const] : [random.chance(0.5) ? [a, b] : [b, a]];
  for (const [from, to] of ways) {
    trace.note(`silence from ${from} to ${to}`);
    weather.hold(from ?? '', to ?? '');
  }
  await world.sleep(between(world, 100, 14_000));
  for (const [from, to] of ways) weather.release(cluster.network, from ?? '', to ?? '');
  trace.note(`${a} and ${b} hear each other`);
};

/**
 * A follower falls behind, and comes back: in-sync replicas change all the time. Meanwhile what a node asks of a coordinator
 * may stay on its way, be answered to nobody, and arrive after it was given up.
 */
const lag = async (world: World): Promise<void> => {
  const { random, weather, cluster, trace } = world;
  for (let times = 1 + random.below(4); times > 0; times -= 1) {
    const [node, other, coordinator] = [world.anyNode().name, world.anyNode().name, world.anyCoordinator().address];
    const asks = random.chance(0.5) ? [node, coordinator] : [coordinator, node];
    const ways = [node === other ? asks : [node, other], ...(random.chance(0.6) ? [asks] : [])];
    trace.note(`held: ${ways.map(([from, to]) => `${from} to ${to}`).join(', ')}`);
    for (const [from, to] of ways) weather.hold(from ?? '', to ?? '');
    await world.sleep(between(world, 900, 7_000));
    if (random.chance(0.3)) cluster.network.cut(node, coordinator);
    for (const [from, to] of ways) weather.release(cluster.network, from ?? '', to ?? '');
    await world.sleep(between(world, 50, 2_000));
  }
};

/**
 * Two followers of one leader come back one after the other: the first one while the store takes its time, so that nobody knows
 * what becomes of its joining, and the second one unheard by every coordinator, so that it may not join.
 */
const unheard = async (world: World): Promise<void> => {
  const { cluster, weather, trace, store } = world;
  const [leader, second, first] = shuffled(world.operators, world.random);
  if (leader === undefined || first === undefined || second === undefined || !leader.isServing) return;
  const [led] = [...leader.node.service.partitions].filter(({ leading }) => leading !== undefined);
  if (led === undefined) return;
  const isInSync = ({ node }: Operator): boolean =>
    store.state(led.log.key)?.isr.some((member) => member.node === node.id) === true;
  const wait = (predicate: () => boolean, maxMs: number): Promise<void> =>
    until(world, predicate, { everyMs: 50, maxMs });
  trace.note(`no coordinator hears ${second.name}, and it does not hear ${leader.name}`);
  const toCoordinators = cluster.coordinators.map(({ address }) => [second.name, address] as const);
  for (const [from, to] of toCoordinators) weather.hold(from, to);
  weather.hold(leader.name, second.name);
  await wait(() => store.isFenced(second.node.id) && !isInSync(second), 14_000);
  first.end('kill');
  await wait(() => !isInSync(first), 3_000);
  first.run();
  await wait(() => first.isServing, 5_000);
  trace.note('the store delays what it is asked for');
  // What is asked first lands when nobody waits for its answer any more, and more has been asked.
  for (let count = 20; count > 0; count -= 1) cluster.store.faults.delayNextTxn(between(world, 1_700, 3_300));
  await world.sleep(between(world, 300, 1_500));
  trace.note(`${second.name} hears ${leader.name}`);
  weather.release(cluster.network, leader.name, second.name);
  await wait(() => isInSync(first), between(world, 2_000, 8_000));
  cluster.store.faults.clear();
  trace.note(`${second.name} is heard`);
  for (const [from, to] of toCoordinators) weather.release(cluster.network, from, to);
};

/** One process hears nobody and is heard by nobody: but for the store, if it is a coordinator. */
const island = async (world: World): Promise<void> => {
  const { weather, cluster, trace } = world;
  const one = world.random.chance(0.6) ? world.anyCoordinator().address : world.anyNode().name;
  const ways = processes(world)
    .filter((other) => other !== one)
    .flatMap((other) => [[one, other] as const, [other, one] as const]);
  trace.note(`${one} is cut off`);
  for (const [from, to] of ways) weather.hold(from, to);
  await world.sleep(between(world, 1_000, 30_000));
  for (const [from, to] of ways) weather.release(cluster.network, from, to);
  trace.note(`${one} is back`);
};

/** One coordinator is cut off from the store, and from nobody else. */
const storeless = async (world: World): Promise<void> => {
  const coordinator = world.anyCoordinator();
  world.trace.note(`${coordinator.address} does not reach the store`);
  coordinator.cutFromStore();
  await world.sleep(between(world, 500, 15_000));
  coordinator.joinStore();
  world.trace.note(`${coordinator.address} reaches the store`);
};

const drops = async (world: World): Promise<void> => {
  world.trace.note('connections drop');
  world.weather.dropConnections(0.002 + world.random.next() / 40);
  await world.sleep(between(world, 300, 3_000));
  world.weather.clear(world.cluster.network);
};

const hourMs = 3_600_000;

/** One clock at a time; nobody's records look older than their retention. */
const clocks = async (world: World): Promise<void> => {
  const { cluster, random, trace } = world;
  const [name, clock] =
    [['node', world.anyNode().node.clock] as const, ['coordinator', world.anyCoordinator().clock] as const][
      random.below(3)
    ] ?? (['client', cluster.clientClock] as const);
  const sign = random.chance(0.5) ? 1 : -1;
  clock.skewMs = name === 'client' && sign < 0 ? -600_000 : sign * hourMs;
  trace.note(`the clock of the ${name} jumps by ${clock.skewMs}`);
  await world.sleep(between(world, 500, 12_000));
  clock.skewMs = 0;
  trace.note(`the clock of the ${name} is right`);
};

const store = async (world: World): Promise<void> => {
  const { cluster, random, trace } = world;
  const { faults } = cluster.store;
  const actions: readonly (readonly [string, () => Promise<void> | void])[] = [
    [
      'is unavailable',
      async () => {
        faults.unavailable = true;
        await world.sleep(between(world, 100, 8_000));
        faults.unavailable = false;
      },
    ],
    [
      'is slow',
      async () => {
        faults.delayMs = between(world, 20, 1_500);
        await world.sleep(between(world, 100, 5_000));
        faults.delayMs = 0;
      },
    ],
    ['loses replies', () => faults.loseReplies(1 + random.below(4))],
    ['delays a transaction', () => faults.delayNextTxn(between(world, 20, 3_000))],
    [
      'delays all transactions',
      async () => {
        for (let count = 8; count > 0; count -= 1) faults.delayNextTxn(between(world, 1_000, 6_000));
        await world.sleep(4_000);
      },
    ],
    ['breaks its watches', () => faults.breakWatches()],
    ['breaks its next watch', () => faults.breakNextWatchAfter(random.below(3))],
    ['revokes its leases', () => faults.revokeLeases()],
  ];
  const [what, action] = actions[random.below(actions.length)] ?? ['', () => {}];
  trace.note(`the store ${what}`);
  await action();
};

export const outsideFaults: readonly Fault[] = [
  { name: 'delay', weight: 1, run: delay },
  { name: 'cut', weight: 2, run: cut },
  { name: 'silence', weight: 2, run: silence },
  { name: 'lag', weight: 3, run: lag },
  { name: 'unheard', weight: 6, run: unheard },
  { name: 'storeless', weight: 1, run: storeless },
  { name: 'island', weight: 1, run: island },
  { name: 'drops', weight: 2, run: drops },
  { name: 'clocks', weight: 1, run: clocks },
  { name: 'store', weight: 2, run: store },
];
