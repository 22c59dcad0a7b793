import { offset } from '@moldau/kernel';
import fc from 'fast-check';
import { ModelCluster } from './model-cluster.ts';
import type { Machines, ModelNode } from './model-node.ts';

/** What may happen next; `which` and `amount` choose among what there is. */
export interface Action {
  readonly act: keyof typeof acts;
  readonly which: number;
  readonly amount: number;
}

const pick = <T>(from: readonly T[], which: number): T | undefined => from[which % Math.max(1, from.length)];

const acts = {
  deliver(cluster: ModelCluster, { which, amount }: Action): void {
    const ways = cluster.streams.flatMap((stream) =>
      (['toLeader', 'toFollower'] as const).filter((way) => stream[way].length > 0).map((way) => ({ stream, way })),
    );
    const chosen = pick(ways, which);
    for (let i = 0; chosen !== undefined && i <= amount % 3; i += 1) cluster.deliver(chosen.stream, chosen.way);
  },
  sync: (cluster: ModelCluster, { which }: Action): void => pick(cluster.nodes, which)?.sync(),
  produce(cluster: ModelCluster, { which, amount }: Action): void {
    for (let i = 0; i <= amount % 2; i += 1) pick(cluster.leaders, which)?.produce(`${cluster.now}:${which}:${i}`);
  },
  connect: (cluster: ModelCluster, { which }: Action): void =>
    pick(
      cluster.nodes.filter(({ wantsStream }) => wantsStream),
      which,
    )?.connect(),
  tell: (cluster: ModelCluster, { which }: Action): void => pick(cluster.nodes, which)?.hear(cluster.store.state),
  cut: (cluster: ModelCluster, { which }: Action): void =>
    pick(
      cluster.nodes.filter(({ cut }) => cut !== undefined),
      which,
    )?.carryOutCut(),
  take(cluster: ModelCluster, { which }: Action): void {
    const asked = pick(
      cluster.asked.filter(({ answer }) => answer === undefined),
      which,
    );
    if (asked !== undefined) cluster.take(asked);
  },
  answer(cluster: ModelCluster, { which }: Action): void {
    const asked = pick(
      cluster.asked.filter(({ answer, isGivenUp }) => answer !== undefined && !isGivenUp),
      which,
    );
    if (asked !== undefined) cluster.answer(asked);
  },
  giveUp(cluster: ModelCluster, { which }: Action): void {
    const asked = pick(
      cluster.asked.filter(({ isGivenUp }) => !isGivenUp),
      which,
    );
    if (asked !== undefined) cluster.giveUp(asked);
  },
  kill: (cluster: ModelCluster, { which }: Action): void => pick(cluster.nodes, which)?.kill(),
  lose: (cluster: ModelCluster, { which, amount }: Action): void =>
    pick(cluster.nodes, which)?.kill(amount % 2 === 0 ? 'all' : 1 + (amount % 3)),
  start(cluster: ModelCluster, { which }: Action): void {
    const node = pick(
      cluster.nodes.filter(({ isUp }) => !isUp),
      which,
    );
    if (node !== undefined) cluster.start(node);
  },
  fence(cluster: ModelCluster, { which }: Action): void {
    const node = pick(cluster.nodes, which);
    if (node !== undefined) cluster.store.fence(node.id);
  },
  report(cluster: ModelCluster, { which }: Action): void {
    const node = pick(
      cluster.nodes.filter(({ id, isUp }) => isUp && cluster.store.isFenced(id)),
      which,
    );
    if (node !== undefined) cluster.report(node);
  },
  depose: (cluster: ModelCluster, _action: Action): void => cluster.store.depose(),
  /** An operator has somebody lead, when nobody does. */
  electUnclean(cluster: ModelCluster, { which }: Action): void {
    const node = pick(
      cluster.nodes.filter(({ id, isUp }) => isUp && !cluster.store.isFenced(id)),
      which,
    );
    if (node === undefined || cluster.leaders.length > 0 || cluster.store.state.leader !== undefined) return;
    cluster.store.electUnclean(node.id);
    node.hear(cluster.store.state);
  },
  break(cluster: ModelCluster, { which, amount }: Action): void {
    const node = pick(
      cluster.nodes.filter(({ stream }) => stream !== undefined),
      which,
    );
    if (node !== undefined) cluster.break(node, amount % 4, amount % 5 === 0);
  },
  tick: (cluster: ModelCluster, { amount }: Action): void => cluster.tick(300 + (amount % 8) * 1_000),
  trim(cluster: ModelCluster, { which, amount }: Action): void {
    const node: ModelNode | undefined = pick(cluster.leaders, which);
    node?.trim(offset(node.log.logStart + BigInt(amount % 4)));
  },
  checkpoint: (cluster: ModelCluster, { which }: Action): void => pick(cluster.nodes, which)?.log.checkpoint(),
  settle(cluster: ModelCluster, { which, amount }: Action): void {
    // All, or all but one that stands still, or all but what goes to the store.
    const paused = amount % 3 === 0 ? cluster.nodes.filter((_, i) => i === which % cluster.nodes.length) : [];
    cluster.settle(new Set(paused), amount % 3 !== 1);
  },
  /** A node is silent for so long that it leaves the ISR. */
  silence(cluster: ModelCluster, { which, amount }: Action): void {
    const node = pick(cluster.nodes, which);
    if (node === undefined || node.leading !== undefined) return;
    const others = new Set([node]);
    cluster.break(node, 0, false);
    for (let i = 0; i <= amount % 2; i += 1) cluster.leaders.at(-1)?.produce(`${cluster.now}:${which}:s${i}`);
    cluster.settle(others);
    cluster.tick(11_000);
    cluster.settle(others);
  },
} as const;

const weights: Record<keyof typeof acts, number> = {
  deliver: 30,
  sync: 8,
  produce: 8,
  connect: 8,
  tell: 8,
  cut: 4,
  take: 5,
  answer: 4,
  giveUp: 3,
  kill: 3,
  lose: 2,
  start: 5,
  fence: 2,
  report: 3,
  depose: 1,
  break: 3,
  tick: 5,
  trim: 1,
  checkpoint: 1,
  settle: 5,
  silence: 3,
  electUnclean: 0,
};

const actionOf = (more: Partial<typeof weights>) =>
  fc.record({
    act: fc.oneof(
      ...(Object.entries({ ...weights, ...more }) as [keyof typeof acts, number][]).map(([act, weight]) => ({
        weight,
        arbitrary: fc.constant(act),
      })),
    ),
    which: fc.nat({ max: 11 }),
    amount: fc.nat({ max: 29 }),
  });

const historyOf = (more: Partial<typeof weights>) => fc.array(actionOf(more), { maxLength: 160, size: 'max' });
export const actions = historyOf({});
/** Without luck: disks lose what they had, and an operator gives up what nobody has. */
export const uncleanActions = historyOf({ kill: 8, lose: 5, fence: 5, electUnclean: 8 });

/** Runs a history, and looks at everything after each step. */
export function runHistory(steps: readonly Action[], minIsr: number, machines?: Machines): ModelCluster {
  const cluster = new ModelCluster(3, minIsr, machines);
  for (const step of steps) {
    acts[step.act](cluster, step);
    cluster.check();
  }
  return cluster;
}

/** Faults end: everybody runs, everything arrives, time passes. */
export function recover(cluster: ModelCluster): void {
  for (let i = 0; i < 40; i += 1) {
    for (const node of cluster.nodes) {
      cluster.start(node);
      if (cluster.store.isFenced(node.id)) cluster.report(node);
    }
    cluster.settle();
    cluster.tick(1_000);
    cluster.settle();
    cluster.check();
  }
}
