import { type NodeId, nodeEpoch, nodeId } from '@moldau/kernel';
import test from 'ava';
import fc from 'fast-check';
import {
  decideIsr,
  type IsrChange,
  type IsrMember,
  type IsrVerdict,
  type IsrView,
  newPartition,
  type PartitionState,
} from '../src/index.ts';

/** Node n of a start: `1.2` is the second start of node 1. */
type Running = `${number}.${number}`;

const member = (name: Running): IsrMember => {
  const [node = 0, epoch = 0] = name.split('.').map(Number);
  return { node: nodeId(node), epoch: nodeEpoch(BigInt(epoch)) };
};
const members = (text: string): IsrMember[] =>
  text === '' ? [] : text.split(' ').map((name) => member(name as Running));

const revision = 50n;
const whole = newPartition(members('1.1 2.1 3.1'), 2);
const state = (isr: string, elr: readonly number[] = [], minIsr = 2): PartitionState => ({
  ...whole,
  minIsr,
  isr: members(isr),
  elr: elr.map(nodeId),
});

function view(running: string): IsrView {
  const all = members(running);
  return { revision, epochOf: (node) => all.find((one) => one.node === node)?.epoch };
}

type Asked = Partial<Omit<IsrChange, 'isr' | 'sender' | 'unfit'>> & { sender?: Running; unfit?: readonly number[] };
const change = (isr: string, { sender = '1.1', unfit = [], ...rest }: Asked = {}): IsrChange => ({
  sender: member(sender),
  leaderEpoch: 1,
  partitionEpoch: revision,
  isr: members(isr),
  unfit: unfit.map(nodeId),
  ...rest,
});

/** `isr / elr`, or why not. */
function shown(verdict: IsrVerdict): string {
  if (verdict.kind !== 'committed') return verdict.kind;
  const isr = verdict.next.isr.map(({ node, epoch }) => `${node}.${epoch}`).join(' ');
  return `${isr} / ${verdict.next.elr.join(' ')}`;
}

const all = '1.1 2.1 3.1';
type Row = readonly [name: string, state: PartitionState, change: IsrChange, running: string, expected: string];

const rows: readonly Row[] = [
  ['a follower leaves: the ISR is still large enough', state(all), change('1.1 2.1'), all, '1.1 2.1 / '],
  ['two leave: below min ISR they stay eligible', state(all), change('1.1'), all, '1.1 / 2 3'],
  ['two leave, one of them unfit', state(all), change('1.1', { unfit: [3] }), all, '1.1 / 2'],
  ['one that leaves is fenced: it stays eligible', state('1.1 2.1'), change('1.1'), '1.1', '1.1 / 2'],
  ['an eligible one turns out unfit', state('1.1', [2, 3]), change('1.1', { unfit: [2] }), all, '1.1 / 3'],
  ['an unfit one that was neither', state('1.1 2.1'), change('1.1 2.1', { unfit: [3] }), all, '1.1 2.1 / '],
  ['one joins: with min ISR reached the ELR goes', state('1.1', [2, 3]), change('1.1 2.1'), all, '1.1 2.1 / '],
  ['one joins and leaves the ELR', state('1.1', [2, 3], 3), change('1.1 2.1'), all, '1.1 2.1 / 3'],
  ['one joins, another leaves', state('1.1 2.1'), change('1.1 3.1'), all, '1.1 3.1 / '],
  ['one joins, another leaves, below min ISR', state('1.1 2.1', [], 3), change('1.1 3.1'), all, '1.1 3.1 / 2'],
  ['min ISR 1: nobody is eligible', state('1.1 2.1', [], 1), change('1.1'), all, '1.1 / '],
  ['nothing changes: it is written all the same', state(all), change(all), all, '1.1 2.1 3.1 / '],
  ['a later start joins', state('1.1 2.1'), change('1.1 2.1 3.2'), '1.1 2.1 3.2', '1.1 2.1 3.2 / '],
  ['a later start takes its own place', state(all), change('1.1 2.1 3.2'), '1.1 2.1 3.2', '1.1 2.1 3.2 / '],
  ['who joins is fenced', state('1.1 2.1'), change(all), '1.1 2.1', 'ineligible'],
  ['who joins has restarted', state('1.1 2.1'), change(all), '1.1 2.1 3.2', 'ineligible'],
  ['who joins is named by an earlier start', state('1.1 2.1'), change('1.1 2.1 3.0'), all, 'ineligible'],
  ['who joins is no replica', state('1.1 2.1'), change('1.1 2.1 4.1'), `${all} 4.1`, 'ineligible'],
  ['somebody is named twice', state(all), change('1.1 2.1 2.1'), all, 'ineligible'],
  ['nobody is in sync', state(all), change(''), all, 'ineligible'],
  ['the leader drops itself', state(all), change('2.1 3.1'), all, 'ineligible'],
  ['the leader names another start of itself', state(all), change('1.2 2.1'), all, 'ineligible'],
  ['who is in sync is unfit', state(all), change('1.1 2.1', { unfit: [2] }), all, 'ineligible'],
  ['who stays was fenced a moment ago', state(all), change('1.1 2.1'), '1.1 3.1', 'stale'],
  ['who stays has restarted a moment ago', state(all), change('1.1 2.1'), '1.1 2.2 3.1', 'stale'],
  ['the leader was fenced a moment ago', state(all), change('1.1 2.1'), '2.1 3.1', 'stale'],
  ['the state has changed', state(all), change('1.1 2.1', { partitionEpoch: 49n }), all, 'stale'],
  ['the state is not known here yet', state(all), change('1.1 2.1', { partitionEpoch: 51n }), all, 'stale'],
  ['a later leader epoch than the known one', state(all), change('1.1 2.1', { leaderEpoch: 2 }), all, 'stale'],
  ['an earlier leader epoch', state(all), change('1.1 2.1', { leaderEpoch: 0 }), all, 'fenced'],
  ['an earlier epoch and an old state', state(all), change('', { leaderEpoch: 0, partitionEpoch: 1n }), all, 'fenced'],
  ['a follower asks', state(all), change('2.1', { sender: '2.1' }), all, 'fenced'],
  ['another start of the leader asks', state(all), change('1.2', { sender: '1.2' }), '1.2 2.1 3.1', 'fenced'],
  ['nobody leads', { ...state(all), leader: undefined }, change('1.1 2.1'), all, 'fenced'],
];

for (const [name, before, asked, running, expected] of rows) {
  test(`ISR change: ${name}`, (t) => t.is(shown(decideIsr(before, asked, view(running))), expected));
}

const starts = fc.oneof(
  { weight: 9, arbitrary: fc.constant(1) },
  { weight: 1, arbitrary: fc.integer({ max: 2, min: 0 }) },
);
const somebody = fc.record({ node: fc.integer({ min: 2, max: 4 }), epoch: starts });
const proposals = fc.record({
  leader: fc.record({ node: fc.constant(1), epoch: starts }),
  others: fc.uniqueArray(somebody, { maxLength: 3, selector: ({ node }) => node }),
  unfit: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 1 }),
  running: fc.array(starts, { minLength: 4, maxLength: 4 }),
  minIsr: fc.integer({ min: 1, max: 3 }),
});

test('through any changes: the rules of admission hold, and min ISR members know everything committed', (t) => {
  let committed = 0;
  fc.assert(
    fc.property(fc.array(proposals, { maxLength: 30 }), (history) => {
      let now = state(all);
      // Who had everything when the watermark could move last, and has not been called unfit since.
      let complete = new Set<NodeId>(now.replicas);
      for (const { leader, others, unfit, running, minIsr } of history) {
        const asked = { ...change(''), isr: [leader, ...others].map(({ node, epoch }) => member(`${node}.${epoch}`)) };
        const proposal = { ...asked, unfit: unfit.map(nodeId) };
        const world = { revision, epochOf: (node: NodeId) => nodeEpoch(BigInt(running[node - 1] ?? 0)) };
        const before = { ...now, minIsr, elr: now.isr.length >= minIsr ? [] : now.elr };
        const verdict = decideIsr(before, proposal, world);
        if (verdict.kind !== 'committed') continue;
        committed += 1;
        const { next } = verdict;
        now = next;
        const inSync = next.isr.map(({ node }) => node);
        t.true(next.isr.every(({ node, epoch }) => world.epochOf(node) === epoch && next.replicas.includes(node)));
        t.true(next.isr.some(({ node, epoch }) => node === next.leader && epoch === next.leaderNodeEpoch));
        t.false([...inSync, ...next.elr].some((node) => proposal.unfit.includes(node)));
        t.false(inSync.some((node) => next.elr.includes(node)));
        t.true(next.isr.length < minIsr || next.elr.length === 0);
        t.is(next.leaderEpoch, before.leaderEpoch);
        // An ISR that may have moved the watermark defines anew who has everything.
        if (before.isr.length >= minIsr) complete = new Set(before.isr.map(({ node }) => node));
        for (const node of proposal.unfit) complete.delete(node);
        for (const node of inSync) complete.add(node);
        t.true(next.elr.every((node) => complete.has(node)));
      }
    }),
    { seed: 21, numRuns: 500 },
  );
  t.true(committed > 200, `${committed} proposals were committed`);
});
