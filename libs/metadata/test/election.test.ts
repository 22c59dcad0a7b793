import { leaderEpoch, type NodeId, nodeEpoch, nodeId } from '@moldau/kernel';
import test from 'ava';
import fc from 'fast-check';
import {
  decide,
  type ElectionView,
  newPartition,
  type PartitionState,
  preferLeader,
  type ReplicaReport,
} from '../src/index.ts';

/** Node n of a start: `1.2` is the second start of node 1. */
type Running = `${number}.${number}`;

const report = (state: ReplicaReport['state'], durableEnd = 10n, lastEpoch = 1, epoch = 1): ReplicaReport => ({
  leaderEpoch: epoch,
  lastEpoch,
  durableEnd,
  state,
});

function view(running: readonly Running[], reports: Record<number, ReplicaReport> = {}, minIsr = 1): ElectionView {
  const epochs = new Map(running.map((name) => name.split('.').map(Number) as [number, number]));
  return {
    epochOf: (node) => {
      const epoch = epochs.get(node);
      return epoch === undefined ? undefined : nodeEpoch(BigInt(epoch));
    },
    reportOf: (node) => (epochs.has(node) ? reports[node] : undefined),
    minIsr,
    recovery: 'wait',
    awaitsEligible: false,
    awaitsReplicas: false,
  };
}

const patient = (world: ElectionView): ElectionView => ({ ...world, awaitsEligible: true, awaitsReplicas: true });
const longest = (world: ElectionView): ElectionView => ({ ...world, recovery: 'longest' });

const members = (...names: Running[]) =>
  names.map((name) => {
    const [node = 0, epoch = 0] = name.split('.').map(Number);
    return { node: nodeId(node), epoch: nodeEpoch(BigInt(epoch)) };
  });

/** `leader@epoch isr=… elr=…`, as the rows below say it. */
function shown(state: PartitionState | undefined): string {
  if (state === undefined) return 'no change';
  const isr = state.isr.map(({ node, epoch }) => `${node}.${epoch}`).join(',');
  const loss = state.lastUncleanEpoch === state.leaderEpoch ? ' loss' : '';
  return `${state.leader ?? '-'}@${state.leaderEpoch} isr=${isr} elr=${state.elr.join(',')}${loss}`;
}

const one = newPartition(members('1.1'), 1);
const three = newPartition(members('1.1', '2.1', '3.1'), 2);
const offline = (elr: number[], state = three): PartitionState => ({
  ...state,
  leader: undefined,
  leaderNodeEpoch: nodeEpoch(0n),
  isr: [],
  elr: elr.map(nodeId),
});

const inSync = (isr: readonly Running[], elr: number[], minIsr = 2): PartitionState => ({
  ...three,
  minIsr,
  isr: members(...isr),
  elr: elr.map(nodeId),
});

/** Gives epoch 1 up. */
const resigned = (state: ReplicaReport['state']): ReplicaReport => ({ ...report(state), resignedEpoch: 1 });

type Row = readonly [name: string, state: PartitionState, view: ElectionView, expected: string];

const rows: readonly Row[] = [
  ['all is well', one, view(['1.1']), 'no change'],
  ['the only node dies: it stays eligible', one, view([]), '-@1 isr= elr=1'],
  ['nothing more happens while it is away', offline([1], one), view([]), 'no change'],
  ['it is back, fenced until it has reported', offline([1], one), view([], { 1: report('clean') }), 'no change'],
  ['its next start leads the next epoch', offline([1], one), view(['1.2'], { 1: report('clean') }), '1@2 isr=1.2 elr='],
  [
    'the same start comes back after a fence',
    offline([1], one),
    view(['1.1'], { 1: report('clean') }),
    '1@2 isr=1.1 elr=',
  ],
  ['it restarts without a fence in between', one, view(['1.2'], { 1: report('clean') }), '1@2 isr=1.2 elr='],
  ['nobody leads unheard', one, view(['1.2']), '-@1 isr= elr=1'],
  [
    'the only copy is corrupt: it leads',
    offline([1], one),
    view(['1.2'], { 1: report('corrupt') }),
    '1@2 isr=1.2 elr= loss',
  ],
  ['the only copy is unclean', offline([1], one), view(['1.2'], { 1: report('unclean') }), '1@2 isr=1.2 elr= loss'],
  ['the only copy is doubtful', offline([1], one), view(['1.2'], { 1: report('doubtful') }), '1@2 isr=1.2 elr='],
  ['the only copy is gone', offline([1], one), view(['1.2'], { 1: report('corrupt', 0n) }), 'no change'],
  [
    'a restored store: above every epoch reported',
    offline([1], one),
    view(['1.2'], { 1: report('clean', 10n, 8, 9) }),
    '1@10 isr=1.2 elr=',
  ],
  [
    'the only replica gives its epoch up: it goes on under the next',
    one,
    view(['1.1'], { 1: { ...report('clean'), resignedEpoch: 1 } }),
    '1@2 isr=1.1 elr=',
  ],
  [
    'a leader gives its epoch up: the next in sync leads',
    three,
    view(['1.1', '2.1', '3.1'], { 1: { ...report('clean'), resignedEpoch: 1 } }, 2),
    '2@2 isr=1.1,2.1,3.1 elr=',
  ],
  [
    'an epoch that was given up before the current one is past',
    { ...one, leaderEpoch: leaderEpoch(2) },
    view(['1.1'], { 1: { ...report('clean'), resignedEpoch: 1 } }),
    'no change',
  ],
  ['a follower dies', three, view(['1.1', '2.1'], {}, 2), '1@1 isr=1.1,2.1 elr='],
  ['a leader dies: the next in sync leads', three, view(['2.1', '3.1'], {}, 2), '2@2 isr=2.1,3.1 elr='],
  ['two die: below min ISR they stay eligible', three, view(['3.1'], {}, 2), '3@2 isr=3.1 elr=1,2'],
  ['all die', three, view([], {}, 2), '-@1 isr= elr=1,2,3'],
  [
    'one of three eligible is back, clean',
    offline([1, 2, 3]),
    view(['2.2'], { 2: report('clean') }, 2),
    '2@2 isr=2.2 elr=1,3',
  ],
  [
    'the longest clean one leads',
    offline([1, 2, 3]),
    view(['1.2', '2.2'], { 1: report('clean', 5n), 2: report('clean', 9n) }, 2),
    '2@2 isr=2.2 elr=1,3',
  ],
  [
    'a later epoch beats a longer log',
    offline([1, 2]),
    view(['1.2', '2.2'], { 1: report('clean', 5n, 3), 2: report('clean', 9n, 2) }, 2),
    '1@2 isr=1.2 elr=2',
  ],
  ['an unclean one waits for the others', offline([1, 2, 3]), view(['1.2'], { 1: report('unclean') }, 2), 'no change'],
  ['a doubtful one waits for the others', offline([1, 2]), view(['1.2'], { 1: report('doubtful') }, 2), 'no change'],
  [
    'a clean one beats a longer corrupt one',
    offline([1, 2]),
    view(['1.2', '2.2'], { 1: report('clean', 3n), 2: report('corrupt', 9n) }, 2),
    '1@2 isr=1.2 elr=',
  ],
  [
    'all heard and none fit: the longest',
    offline([1, 2]),
    view(['1.2', '2.2'], { 1: report('unclean', 3n), 2: report('unclean', 9n) }, 2),
    '2@2 isr=2.2 elr= loss',
  ],
  [
    'outside ISR and ELR nobody leads',
    offline([1]),
    view(['2.2', '3.2'], { 2: report('clean'), 3: report('clean') }, 2),
    'no change',
  ],
  [
    'min ISR is lowered while the ISR is large enough',
    { ...three, isr: members('1.1'), elr: [nodeId(2)] },
    view(['1.1'], {}, 1),
    '1@1 isr=1.1 elr=',
  ],
  ['min ISR is raised', three, view(['1.1', '2.1', '3.1'], {}, 3), '1@1 isr=1.1,2.1,3.1 elr='],
  ['min ISR is lowered while nobody is in sync: the ELR stays', offline([1, 2]), view([], {}, 1), '-@1 isr= elr=1,2'],
  [
    'min ISR is lowered and the ISR is still too small: the ELR stays',
    inSync(['1.1'], [2, 3], 3),
    view(['1.1'], {}, 2),
    '1@1 isr=1.1 elr=2,3',
  ],
  [
    'min ISR is raised above the ISR: who has left before is not eligible',
    inSync(['1.1', '2.1'], [], 2),
    view(['1.1', '2.1'], {}, 3),
    '1@1 isr=1.1,2.1 elr=',
  ],
  [
    'min ISR is lowered and a member dies in the same look: what holds for the new one',
    three,
    view(['1.1'], {}, 1),
    '1@1 isr=1.1 elr=',
  ],
  [
    'the next in the order of the replicas leads, not of the ISR',
    inSync(['3.1', '2.1', '1.1'], [], 2),
    view(['3.1', '2.1'], {}, 2),
    '2@2 isr=3.1,2.1 elr=',
  ],
  [
    'the leader finds its copy damaged, and gives its epoch up: it is set aside',
    three,
    view(['1.1', '2.1', '3.1'], { 1: resigned('corrupt') }, 2),
    '2@2 isr=2.1,3.1 elr=',
  ],
  [
    'the leader finds its copy damaged, below min ISR: it is not eligible either',
    inSync(['1.1', '2.1'], [3], 3),
    view(['1.1', '2.1'], { 1: resigned('corrupt') }, 3),
    '2@2 isr=2.1 elr=3',
  ],
  [
    'a damaged leader that keeps its epoch is replaced as well',
    three,
    view(['1.1', '2.1', '3.1'], { 1: report('corrupt') }, 2),
    '2@2 isr=2.1,3.1 elr=',
  ],
  [
    'a damaged follower is set aside',
    three,
    view(['1.1', '2.1', '3.1'], { 3: report('corrupt') }, 2),
    '1@1 isr=1.1,2.1 elr=',
  ],
  [
    'the only one in sync is damaged: it goes on, and those that are eligible stay so',
    inSync(['1.1'], [2, 3]),
    view(['1.1'], { 1: resigned('corrupt') }, 2),
    '1@2 isr=1.1 elr=2,3',
  ],
  [
    'the only copy is found damaged while it leads: it goes on with the loss on record',
    one,
    view(['1.1'], { 1: resigned('corrupt') }),
    '1@2 isr=1.1 elr= loss',
  ],
  ['the only copy is damaged and keeps its epoch', one, view(['1.1'], { 1: report('corrupt') }), 'no change'],
  [
    'an eligible clean one comes back to a damaged leader: it leads',
    inSync(['1.1'], [2, 3]),
    view(['1.1', '2.2'], { 1: report('corrupt'), 2: report('clean') }, 2),
    '2@2 isr=2.2 elr=3',
  ],
  [
    'an eligible damaged one comes back to a damaged leader: nothing is won',
    inSync(['1.1'], [2]),
    view(['1.1', '2.2'], { 1: report('corrupt'), 2: report('corrupt') }, 2),
    'no change',
  ],
  [
    'a damaged leader does not wait for those that may come',
    inSync(['1.1'], [2, 3]),
    patient(view(['1.1', '2.2'], { 1: resigned('corrupt'), 2: report('clean') }, 2)),
    '2@2 isr=2.2 elr=3',
  ],
  [
    'a copy is whole again once it is in sync under the start that was unclean',
    three,
    view(['1.1', '2.1', '3.1'], { 2: report('unclean') }, 2),
    'no change',
  ],
  [
    'an eligible one comes back unclean while somebody leads: it is eligible no more',
    inSync(['1.1'], [2, 3]),
    view(['1.1', '2.2'], { 2: report('unclean') }, 2),
    '1@1 isr=1.1 elr=3',
  ],
  [
    'one that was unclean stays in the ELR until somebody leads',
    offline([1, 2]),
    view(['1.2'], { 1: report('unclean') }, 2),
    'no change',
  ],
  [
    'all come back together: the first waits for the others',
    offline([1, 2, 3]),
    patient(view(['2.2'], { 2: report('clean') }, 2)),
    'no change',
  ],
  [
    'all come back together: once all are heard, the longest clean one leads',
    offline([1, 2, 3]),
    patient(
      view(['1.2', '2.2', '3.2'], { 1: report('clean', 5n), 2: report('clean', 9n), 3: report('unclean', 99n) }, 2),
    ),
    '2@2 isr=2.2 elr=1',
  ],
  [
    'a single replica waits for nobody',
    offline([1], one),
    patient(view(['1.2'], { 1: report('clean') })),
    '1@2 isr=1.2 elr=',
  ],
  [
    'recovery = longest: nobody who has everything is there',
    offline([1]),
    longest(view(['2.2', '3.2'], { 2: report('clean', 5n), 3: report('clean', 9n) }, 2)),
    '3@2 isr=3.2 elr= loss',
  ],
  [
    'recovery = longest: the others may come',
    offline([1]),
    longest(patient(view(['2.2', '3.2'], { 2: report('clean', 5n), 3: report('clean', 9n) }, 2))),
    'no change',
  ],
  [
    'recovery = longest: all are heard, and who had everything has lost it',
    offline([1]),
    longest(
      patient(
        view(['1.2', '2.2', '3.2'], { 1: report('corrupt', 0n), 2: report('clean', 5n), 3: report('clean', 9n) }, 2),
      ),
    ),
    '3@2 isr=3.2 elr= loss',
  ],
  [
    'recovery = longest: an eligible one is there, so nothing is lost',
    offline([1]),
    longest(view(['1.2', '2.2'], { 1: report('clean', 5n), 2: report('clean', 9n) }, 2)),
    '1@2 isr=1.2 elr=',
  ],
  ['recovery = longest: nobody is there', offline([1]), longest(view([], {}, 2)), 'no change'],
];

for (const [name, state, world, expected] of rows) {
  test(`election: ${name}`, (t) => {
    t.is(shown(decide(state, world)), expected);
  });
}

const led = (by: number, isr: readonly Running[] = ['1.1', '2.1', '3.1']): PartitionState => {
  const leader = nodeId(by);
  return { ...inSync(isr, []), leader, leaderNodeEpoch: nodeEpoch(1n), leaderEpoch: leaderEpoch(4) };
};

const preferences: readonly Row[] = [
  ['it is in sync again', led(2), view(['1.1', '2.1', '3.1'], {}, 2), '1@5 isr=1.1,2.1,3.1 elr='],
  ['it leads', led(1), view(['1.1', '2.1', '3.1'], {}, 2), 'no change'],
  ['it is not in sync', led(2, ['2.1', '3.1']), view(['1.1', '2.1', '3.1'], {}, 2), 'no change'],
  ['it was fenced a moment ago', led(2), view(['2.1', '3.1'], {}, 2), 'no change'],
  ['it is damaged', led(2), view(['1.1', '2.1'], { 1: report('corrupt') }, 2), 'no change'],
  ['others are missing', led(2, ['1.1', '2.1']), view(['1.1', '2.1'], {}, 2), '1@5 isr=1.1,2.1 elr='],
  ['nobody leads', offline([1, 2, 3]), view(['1.1'], {}, 2), 'no change'],
];

for (const [name, state, world, expected] of preferences) {
  test(`preferred leader: ${name}`, (t) => t.is(shown(preferLeader(state, world)), expected));
}

const nodes = [1, 2, 3];

const worlds = fc.record({
  starts: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 3, maxLength: 3 }),
  reports: fc.array(
    fc.record({
      state: fc.constantFrom<ReplicaReport['state'][]>('clean', 'unclean', 'doubtful', 'corrupt'),
      durableEnd: fc.bigInt(0n, 5n),
      lastEpoch: fc.nat(4),
      leaderEpoch: fc.nat(4),
    }),
    { minLength: 3, maxLength: 3 },
  ),
  minIsr: fc.integer({ min: 1, max: 3 }),
});

test('through any history: epochs grow, leaders are in sync and eligible, and deciding again changes nothing', (t) => {
  fc.assert(
    fc.property(fc.array(worlds, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), (history, replicas) => {
      let state = newPartition(members('1.1', '2.1', '3.1').slice(0, replicas), Math.min(2, replicas));
      for (const { starts, reports, minIsr } of history) {
        const running = nodes
          .filter((_, i) => starts[i] !== 0)
          .map((node) => `${node}.${starts[node - 1] ?? 0}` as Running);
        const byNode = Object.fromEntries(nodes.map((node) => [node, reports[node - 1] ?? report('clean')]));
        const world = view(running, byNode, Math.min(minIsr, replicas));
        const next = decide(state, world);
        if (next === undefined) continue;
        const before = state;
        state = next;
        t.is(decide(state, world), undefined);
        t.true(state.leaderEpoch >= before.leaderEpoch);
        if (state.leader === undefined) continue;
        const stays = state.leader === before.leader && state.leaderNodeEpoch === before.leaderNodeEpoch;
        t.is(state.leaderEpoch > before.leaderEpoch, !stays, 'one leader an epoch, one start a leader');
        const wasEligible = (node: NodeId): boolean =>
          before.elr.includes(node) || before.isr.some((member) => member.node === node);
        t.true(wasEligible(state.leader));
        t.is(world.epochOf(state.leader), state.leaderNodeEpoch);
        t.true(
          state.isr.every(({ node, epoch }) => world.epochOf(node) === epoch),
          'nobody fenced is in sync',
        );
      }
    }),
    { seed: 11, numRuns: 500 },
  );
});

test('a partition that is always answered by clean replicas never records a loss', (t) => {
  const alive = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(alive, { maxLength: 30 }), (history) => {
      let state = three;
      for (const starts of history) {
        const running = nodes
          .filter((_, i) => starts[i] !== 0)
          .map((node) => `${node}.${starts[node - 1] ?? 0}` as Running);
        state =
          decide(state, view(running, { 1: report('clean'), 2: report('clean'), 3: report('clean') }, 2)) ?? state;
        t.true(state.isr.length + state.elr.length >= 2, 'at least min ISR replicas have everything committed');
      }
      t.is(state.lastUncleanEpoch, leaderEpoch(0));
      t.is(state.recovery, 'none');
    }),
    { seed: 12, numRuns: 500 },
  );
});
