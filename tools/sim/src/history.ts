import { liveCompacted } from './compaction-history.ts';
import { heal, plague } from './faults/nemesis.ts';
import { liveInGroups } from './group-history.ts';
import { type Kind, kindOf } from './kinds.ts';
import { requireSameCopies } from './oracle/same-copies.ts';
import { Violation } from './oracle/violation.ts';
import type { Outcome } from './outcome.ts';
import { Trace } from './trace.ts';
import { appendConditionally, appendOnce, RepeatingAppender } from './workload/appending.ts';
import { reconfigure, trim } from './workload/changing.ts';
import { liveAndDie } from './workload/lifecycle.ts';
import { Owners, ownedTopic } from './workload/owning.ts';
import { writeInPeace } from './workload/peace.ts';
import { produce } from './workload/producing.ts';
import { readWhole, scan, Tail } from './workload/reading.ts';
import { World } from './world.ts';

/** After the last fault: how long until everything that was begun is decided, and how long until all of it is read. */
const decidedMaxMs = 120_000;
const readMaxMs = 60_000;
/** Longer than the pause between two looks of retention. */
const idleMs = 310_000;

/** One history: a cluster from nothing, use and faults, then peace, in which everything must come right. */
export async function runHistory(seed: number, echo?: (line: string) => void): Promise<Outcome> {
  const kind = kindOf(seed);
  const world = new World(seed, (now) => new Trace(now, echo), kind);
  const onStray = (error: unknown): void => world.fail(error);
  process.on('unhandledRejection', onStray);
  let broken: unknown;
  try {
    await lives[kind](world);
  } catch (error) {
    broken = error;
  } finally {
    world.end();
    // What that ends may complain, and concerns nobody.
    await new Promise(setImmediate);
    process.off('unhandledRejection', onStray);
  }
  const states = [...world.oracle.writes].map(({ state }) => state);
  const count = (state: string): number => states.filter((one) => one === state).length;
  return {
    seed,
    digest: world.trace.digest(),
    virtualMs: world.cluster.time.monotonicMs(),
    writes: { ok: count('ok'), refused: count('not-written'), unknown: count('unknown') },
    broken: broken === undefined ? undefined : { what: describe(broken), tail: world.trace.tail() },
  };
}

const lives: Readonly<Record<Kind, (world: World) => Promise<void>>> = {
  log: live,
  groups: liveInGroups,
  compaction: liveCompacted,
};

async function live(world: World): Promise<void> {
  const { random, cluster } = world;
  for (const coordinator of cluster.coordinators) world.startCoordinator(coordinator);
  for (const operator of world.operators) operator.run();
  await world.until('the cluster starts', () => world.operators.every(({ isServing }) => isServing), 30_000);
  const config = {
    'segment.bytes': '64KiB',
    'replica.lag.max': ['1s', '2s', '10s'][random.below(3)] ?? '10s',
    'min.insync.replicas': world.replicas > 1 && random.chance(0.5) ? '2' : '1',
  };
  const topics = [
    { name: 'kept', partitions: 1 + random.below(3), config },
    { name: 'trimmed', partitions: 1 + random.below(2), config: { ...config, retention: '40m' } },
  ] as const;
  const { admin } = world.person('admin').client;
  const creating = world.background(async () => {
    const owned = { name: ownedTopic, partitions: 1, config };
    for (const topic of [...topics, owned]) await admin.createTopic({ ...topic, replicas: world.replicas });
  });
  await world.until('the topics are made', () => creating.isOver, 30_000);
  const [kept, trimmed] = topics;
  const owners = new Owners(world);
  const tails = topics.flatMap(({ name, partitions }) =>
    Array.from({ length: partitions }, (_, index) => new Tail(world, `tail-${name}-${index}`, name, index)),
  );
  const following = tails.map((tail) => world.background(() => tail.run()));
  const writing = [
    world.background(() => produce(world, 'p1', kept.name, true)),
    world.background(() => produce(world, 'p2', random.chance(0.5) ? kept.name : trimmed.name, true)),
    world.background(() => produce(world, 'plain', kept.name, false)),
    world.background(() => appendOnce(world, 'once', kept.name, kept.partitions)),
    world.background(() => appendConditionally(world, 'cas', trimmed.name)),
    world.background(() => new RepeatingAppender(world, 'again', kept.name, 0).run()),
    world.background(() => scan(world, 'scan', kept.name, kept.partitions)),
    world.background(() => trim(world, 'trim', trimmed.name, trimmed.partitions)),
    world.background(() => reconfigure(world, 'config', [kept.name, trimmed.name])),
    world.background(() => liveAndDie(world, 'scratch')),
    ...[1, 2, 3].map((n) => world.background(() => owners.run(`owner-${n}`))),
  ];
  const plagued = world.background(() => plague(world, 7_000 + random.below(12_000)));
  await world.until('the faults end', () => plagued.isOver, 300_000);
  await heal(world);
  await world.runFor(2_000);
  world.isBusy = false;
  await world.until('everything is decided', () => writing.every(({ isOver }) => isOver), decidedMaxMs);
  if (random.chance(0.05)) await idleWithWrongClock(world);
  await writeInPeace(world, topics);
  await world.until('everything is read', () => tails.every((tail) => tail.isAtEnd), readMaxMs);
  await readEverything(world, topics);
  const checking = world.background(() => owners.check());
  await world.until('what was owned is read', () => checking.isOver, readMaxMs);
  await requireSameCopies(
    world,
    topics.map(({ name }) => name),
  );
  for (const tail of tails) await tail.close();
  await world.until('the readers end', () => following.every(({ isOver }) => isOver), 10_000);
}

/** Retention looks at the clock while the node's is ahead: nothing may go early. */
async function idleWithWrongClock(world: World): Promise<void> {
  world.trace.note('idle, with clocks that are an hour ahead');
  for (const { clock } of world.cluster.nodes) clock.skewMs = 3_600_000;
  await world.runFor(idleMs);
  for (const { clock } of world.cluster.nodes) clock.skewMs = 0;
}

async function readEverything(
  world: World,
  topics: readonly { readonly name: string; readonly partitions: number }[],
): Promise<void> {
  const checker = world.person('checker');
  const reading = world.background(async () => {
    for (const { name, partitions } of topics) {
      for (let index = 0; index < partitions; index += 1) {
        const found = await readWhole(world, checker, name, index);
        if (found === undefined) throw new Violation('liveness', `${name}/${index} can't be read in peace`);
        world.oracle.readWhole(name, index, found);
      }
    }
  });
  await world.until('the last reading', () => reading.isOver, readMaxMs);
}

function describe(error: unknown): string {
  if (error instanceof Violation) return error.message;
  return error instanceof Error ? `bug: ${error.stack ?? error.message}` : `bug: ${String(error)}`;
}
