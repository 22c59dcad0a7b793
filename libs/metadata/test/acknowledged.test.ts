import { assert, type NodeId, nodeEpoch, nodeId } from '@moldau/kernel';
import test from 'ava';
import fc from 'fast-check';
import {
  decide,
  decideIsr,
  type ElectionView,
  type IsrChange,
  newPartition,
  type PartitionState,
  preferLeader,
  type ReplicaReport,
} from '../src/index.ts';

/** A copy, and what its node says of it. */
type Copy = { end: number; lastEpoch: number; copiedIn: number; start: number; runs: boolean; report: ReplicaReport };

const ids = [1, 2, 3].map(nodeId);

/**
 * A partition with everything that the decisions are about, and nothing else: how long each copy is, and how much was
 * acknowledged. A leader counts only members that have copied from it in its epoch.
 */
class Model {
  state: PartitionState;
  acknowledged = 0;
  losses = 0;
  elections = 0;
  #minIsr: number;
  readonly #recovery: ElectionView['recovery'];
  #revision = 1n;
  #proposals: IsrChange[] = [];
  readonly #copies = new Map<NodeId, Copy>();

  constructor(minIsr: number, recovery: ElectionView['recovery']) {
    this.#minIsr = minIsr;
    this.#recovery = recovery;
    const members = ids.map((node) => ({ node, epoch: nodeEpoch(1n) }));
    this.state = newPartition(members, minIsr);
    for (const node of ids) {
      const report: ReplicaReport = { leaderEpoch: 0, lastEpoch: 0, durableEnd: 0n, state: 'clean' };
      this.#copies.set(node, { end: 0, lastEpoch: 0, copiedIn: 1, start: 1, runs: true, report });
    }
  }

  copy(node: NodeId): Copy {
    return this.#copies.get(node) as Copy;
  }

  get leader(): Copy | undefined {
    return this.state.leader === undefined ? undefined : this.copy(this.state.leader);
  }

  get #view(): ElectionView {
    return {
      epochOf: (node) => (this.copy(node).runs ? nodeEpoch(BigInt(this.copy(node).start)) : undefined),
      reportOf: (node) => (this.copy(node).runs ? this.copy(node).report : undefined),
      minIsr: this.#minIsr,
      recovery: this.#recovery,
      awaitsEligible: false,
      awaitsReplicas: false,
    };
  }

  append(): void {
    if (this.leader === undefined) return;
    this.leader.end += 1;
    this.leader.lastEpoch = this.state.leaderEpoch;
  }

  follow(node: NodeId): void {
    const [leader, copy] = [this.leader, this.copy(node)];
    if (leader === undefined || !copy.runs) return;
    Object.assign(copy, { end: leader.end, lastEpoch: leader.lastEpoch, copiedIn: this.state.leaderEpoch });
  }

  acknowledge(): void {
    if (this.state.isr.length < this.state.minIsr || this.leader === undefined) return;
    // Whatever may still be committed counts: the maximal ISR.
    const pending = this.#proposals.filter(({ partitionEpoch }) => partitionEpoch === this.#revision);
    const isrs = [this.state.isr, ...pending.map(({ isr }) => isr)];
    const members = isrs.flatMap((isr) => isr.map(({ node }) => this.copy(node)));
    if (members.some(({ copiedIn }) => copiedIn !== this.state.leaderEpoch)) return;
    this.acknowledged = Math.max(this.acknowledged, Math.min(...members.map(({ end }) => end)));
  }

  kill(node: NodeId): void {
    this.copy(node).runs = false;
    this.decide();
  }

  restart(node: NodeId, found: ReplicaReport['state'], lost: number): void {
    const copy = this.copy(node);
    copy.runs = false;
    this.decide();
    if (found !== 'clean') copy.end = Math.max(0, copy.end - lost);
    const { end, lastEpoch, copiedIn: leaderEpoch } = copy;
    // What a copy has lost it lacks until it has caught up, however often its node restarts.
    const state = copy.report.state === 'clean' ? found : copy.report.state;
    copy.report = { leaderEpoch, lastEpoch, durableEnd: BigInt(end), state };
    Object.assign(copy, { start: copy.start + 1, runs: true, copiedIn: 0 });
    this.decide();
  }

  /** A node finds its copy damaged while it runs. */
  damage(node: NodeId): void {
    const copy = this.copy(node);
    if (!copy.runs) return;
    const resignedEpoch = this.state.leader === node ? this.state.leaderEpoch : undefined;
    copy.report = { ...copy.report, durableEnd: BigInt(copy.end), state: 'corrupt', resignedEpoch };
    this.decide();
  }

  /** The leader proposes those of them that have caught up; the proposal is on its way. */
  propose(named: readonly NodeId[]): void {
    const { leader, leaderNodeEpoch, leaderEpoch } = this.state;
    if (leader === undefined) return;
    const isCaughtUp = ({ end, copiedIn }: Copy): boolean => copiedIn === leaderEpoch && end >= this.acknowledged;
    const nodes = ids.filter((node) => node === leader || (named.includes(node) && isCaughtUp(this.copy(node))));
    const isr = nodes.map((node) => ({ node, epoch: nodeEpoch(BigInt(this.copy(node).start)) }));
    const sender = { node: leader, epoch: leaderNodeEpoch };
    const unfit = ids.filter((node) => !nodes.includes(node) && this.copy(node).end < this.acknowledged);
    this.#proposals.push({ sender, leaderEpoch, partitionEpoch: this.#revision, isr, unfit });
  }

  /** One of the proposals arrives, in any order. */
  deliver(which: number): void {
    const [change] = this.#proposals.splice(which % Math.max(1, this.#proposals.length), 1);
    if (change === undefined) return;
    const verdict = decideIsr(this.state, change, { ...this.#view, revision: this.#revision });
    if (verdict.kind !== 'committed') return;
    const before = this.state.isr;
    for (const { node, epoch } of change.isr) {
      if (before.some((member) => member.node === node && member.epoch === epoch)) continue;
      this.copy(node).report = { ...this.copy(node).report, state: 'clean' };
    }
    this.#take(verdict.next);
    this.decide();
  }

  askForMinIsr(minIsr: number): void {
    this.#minIsr = minIsr;
    this.decide();
  }

  prefer(): void {
    this.#take(preferLeader(this.state, this.#view));
  }

  decide(): void {
    this.#take(decide(this.state, this.#view));
  }

  #take(next: PartitionState | undefined): void {
    if (next === undefined) return;
    const before = this.state;
    assert(
      next.isr.every(({ node, epoch }) => this.#view.epochOf(node) === epoch),
      'nobody fenced is in sync (I12)',
    );
    this.state = next;
    this.#revision += 1n;
    if (next.leaderEpoch === before.leaderEpoch || this.leader === undefined) return;
    this.elections += 1;
    this.leader.copiedIn = next.leaderEpoch;
    if (next.lastUncleanEpoch !== next.leaderEpoch) return;
    this.losses += 1;
    this.acknowledged = Math.min(this.acknowledged, this.leader.end);
    if (this.leader.report.state === 'unclean') this.leader.report = { ...this.leader.report, state: 'clean' };
  }
}

const node = fc.constantFrom(...ids);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('follow' as const), node }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), node }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      node,
      found: fc.constantFrom<ReplicaReport['state'][]>('clean', 'clean', 'clean', 'unclean', 'corrupt'),
      lost: fc.nat(5),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('damage' as const), node }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('propose' as const), named: fc.subarray(ids) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('deliver' as const), which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('prefer' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('min-isr' as const), minIsr: fc.integer({ min: 1, max: 3 }) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function take(model: Model, one: Step): void {
  switch (one.kind) {
    case 'append':
      return model.append();
    case 'follow':
      return model.follow(one.node);
    case 'acknowledge':
      return model.acknowledge();
    case 'kill':
      return model.kill(one.node);
    case 'restart':
      return model.restart(one.node, one.found, one.lost);
    case 'damage':
      return model.damage(one.node);
    case 'propose':
      return model.propose(one.named);
    case 'deliver':
      return model.deliver(one.which);
    case 'prefer':
      return model.prefer();
    case 'min-isr':
      return model.askForMinIsr(one.minIsr);
  }
}

for (const recovery of ['wait', 'longest'] as const) {
  test(`with recovery = ${recovery}, whoever leads has everything acknowledged, or the loss is on record`, (t) => {
    const seen = { elections: 0, losses: 0, acknowledged: 0 };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), fc.integer({ min: 1, max: 3 }), (steps, minIsr) => {
        const model = new Model(minIsr, recovery);
        for (const one of steps) {
          take(model, one);
          const { leader, state, acknowledged } = model;
          if (leader !== undefined) assert(leader.end >= acknowledged, 'the leader has everything (I9)');
          for (const { node: member } of state.isr) {
            assert(model.copy(member).end >= acknowledged, 'so has everyone in sync (I8)');
          }
        }
        seen.elections += model.elections;
        seen.losses += model.losses;
        seen.acknowledged += model.acknowledged;
      }),
      { seed: 31, numRuns: 2_000 },
    );
    t.log(seen);
    t.true(seen.elections > 1_000 && seen.losses > 50 && seen.acknowledged > 1_000);
  });
}
