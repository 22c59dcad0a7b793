import { leaderEpoch, nodeEpoch, nodeId, offset } from '@moldau/kernel';
import test from 'ava';
import type { Hello, LeaderEvent } from '../src/index.ts';
import { a, acked, b, committed, decided, hello, late, ready, state, World } from './support/leader-world.ts';

// The rows are situations of b, one follower of the leader a: see `leader-world.ts`.
type Situation =
  | 'no replica'
  | 'unknown, not in sync'
  | 'isr-silent'
  | 'isr-silent, late'
  | 'welcomed, in sync'
  | 'ready, in sync'
  | 'ready, behind'
  | 'joining'
  | 'joining, in doubt'
  | 'unfit, leaving'
  | 'elr-silent'
  | 'resigned';

const situations: Record<Situation, () => World> = {
  'no replica': () => new World({ ...state('a', 1), replicas: [a] }),
  'unknown, not in sync': () => new World(state('a', 1)),
  'isr-silent': () => new World(state('ab', 1)),
  'isr-silent, late': () => new World(state('ab', 1)).at(late),
  'welcomed, in sync': () => new World(state('ab', 1)).after(hello()),
  'ready, in sync': () => new World(state('ab', 1)).after(hello(), ready(4)),
  // Epoch 6 begins at 3.
  'ready, behind': () => new World(state('a', 1)).after(hello({ durableEnd: offset(2) }), ready(2, 5)),
  joining: () => new World(state('a', 1)).after(hello(), ready(5)),
  'joining, in doubt': () => new World(state('a', 1)).after(hello(), ready(5), decided('unknown')),
  'unfit, leaving': () => new World(state('ab', 1)).after(hello({ copy: 'lost' })),
  'elr-silent': () => new World(state('a', 2, 'b')),
  resigned: () => new World(state('ab', 1)).after(hello({ epoch: leaderEpoch(7) })),
};

const events: Record<LeaderEvent['kind'], LeaderEvent> = {
  hello: hello({ session: 3 }),
  ready: ready(4),
  acked: acked(5),
  left: { kind: 'left', node: b, session: 2 },
  full: { kind: 'full', node: b, session: 2 },
  'log-moved': { kind: 'log-moved' },
  state: { kind: 'state', state: state('a', 1, '', 22n) },
  'isr-decided': committed(),
  tick: { kind: 'tick' },
};

// A new event does not compile until its column is filled in. `-`: no effect.
const table: Record<Situation, Record<LeaderEvent['kind'], string>> = {
  'no replica': {
    hello: 'refuse 3 not-replica',
    ready: '-',
    acked: '-',
    left: '-',
    full: '-',
    'log-moved': 'commit 5',
    state: 'commit 5',
    'isr-decided': '-',
    tick: 'commit 5',
  },
  'unknown, not in sync': {
    hello: 'welcome 3 whole',
    ready: '-',
    acked: '-',
    left: '-',
    full: '-',
    'log-moved': 'commit 5',
    state: 'commit 5',
    'isr-decided': '-',
    tick: 'commit 5',
  },
  'isr-silent': {
    hello: 'welcome 3 whole',
    ready: '-',
    acked: '-',
    left: '-',
    full: '-',
    'log-moved': '-',
    state: 'commit 5',
    'isr-decided': '-',
    tick: '-',
  },
  'isr-silent, late': {
    hello: 'welcome 3 whole',
    ready: '-',
    acked: '-',
    left: '-',
    full: '-',
    'log-moved': '-',
    state: 'commit 5',
    'isr-decided': '-',
    tick: 'propose a on 20',
  },
  'welcomed, in sync': {
    hello: 'refuse 2 protocol, welcome 3 whole',
    ready: 'push 2 from 4, commit 4',
    acked: '-',
    left: '-',
    full: 'propose a on 20',
    'log-moved': '-',
    state: 'commit 5',
    'isr-decided': '-',
    tick: '-',
  },
  'ready, in sync': {
    hello: 'refuse 2 protocol, welcome 3 whole',
    ready: '-',
    acked: 'commit 5',
    left: '-',
    full: 'propose a on 20',
    'log-moved': '-',
    state: 'commit 5',
    'isr-decided': '-',
    tick: '-',
  },
  'ready, behind': {
    hello: 'refuse 2 protocol, welcome 3 whole',
    ready: '-',
    acked: 'propose ab on 20',
    left: '-',
    full: '-',
    'log-moved': '-',
    state: '-',
    'isr-decided': '-',
    tick: '-',
  },
  joining: {
    // It comes back with 4, and 5 is committed: it has lost something, and may be in the ISR by now.
    hello: 'refuse 2 protocol, refuse 3 busy',
    ready: '-',
    acked: '-',
    left: '-',
    full: '-',
    'log-moved': '-',
    state: 'propose ab on 22',
    'isr-decided': '-',
    tick: '-',
  },
  'joining, in doubt': {
    hello: 'refuse 2 protocol, refuse 3 busy',
    ready: '-',
    acked: '-',
    left: '-',
    full: '-',
    'log-moved': '-',
    state: 'propose ab on 22',
    'isr-decided': '-',
    tick: '-',
  },
  'unfit, leaving': {
    hello: 'refuse 3 busy',
    ready: '-',
    acked: '-',
    left: '-',
    full: '-',
    'log-moved': '-',
    state: 'commit 5',
    'isr-decided': 'commit 5',
    tick: '-',
  },
  'elr-silent': {
    hello: 'welcome 3 whole',
    ready: '-',
    acked: '-',
    left: '-',
    full: '-',
    'log-moved': '-',
    state: 'commit 5',
    'isr-decided': '-',
    tick: '-',
  },
  resigned: {
    hello: '-',
    ready: '-',
    acked: '-',
    left: '-',
    full: '-',
    'log-moved': '-',
    state: '-',
    'isr-decided': '-',
    tick: '-',
  },
};

const entriesOf = <K extends string, V>(record: Record<K, V>): [K, V][] => Object.entries(record) as [K, V][];

for (const [situation, row] of entriesOf(table)) {
  test(`${situation}: every event`, (t) => {
    for (const [event, expected] of entriesOf(row)) t.is(situations[situation]().step(events[event]), expected, event);
  });
}

test('Hello: each reason to refuse it, in the order in which they are looked at', (t) => {
  const answer = (given: Partial<Hello>): string => situations['isr-silent']().step(hello(given));
  t.is(answer({ epoch: leaderEpoch(7) }), 'refuse 2 unknown-epoch, resign newer-epoch');
  t.is(answer({ epoch: leaderEpoch(5) }), 'refuse 2 fenced');
  t.is(answer({ node: a }), 'refuse 2 not-replica');
  t.is(answer({ node: nodeId(4) }), 'refuse 2 not-replica');
  t.is(answer({ nodeEpoch: nodeEpoch(9n) }), 'refuse 2 stale-node');
  t.is(answer({ copy: 'doubtful' }), 'refuse 2 busy, propose a unfit b on 20');
  t.is(answer({ copy: 'lost' }), 'refuse 2 busy, propose a unfit b on 20');
  t.is(answer({ durableEnd: offset(2), epochs: [] }), 'refuse 2 busy, propose a unfit b on 20');
  const parted = [5, 7].map((epoch, i) => ({ epoch: leaderEpoch(epoch), start: offset(i * 2) }));
  t.is(answer({ durableEnd: offset(5), epochs: parted }), 'refuse 2 busy, propose a unfit b on 20', 'it parts below 3');
});

test('a copy out of ISR and ELR goes on: cut where it parts, or anew', (t) => {
  const answer = (given: Partial<Hello>): string => situations['unknown, not in sync']().step(hello(given));
  t.is(answer({ copy: 'doubtful' }), 'welcome 2 whole');
  t.is(answer({ copy: 'lost' }), 'welcome 2 reset to 0');
  t.is(answer({ epochs: [{ epoch: leaderEpoch(5), start: offset(0) }] }), 'welcome 2 truncate to 3');
});

test('Ready is looked at again: its end, its last epoch, and whether it lacks what is committed', (t) => {
  const answer = (event: LeaderEvent): string => situations['welcomed, in sync']().step(event);
  t.is(answer(ready(6)), 'refuse 2 protocol');
  t.is(answer(ready(4, 5)), 'refuse 2 protocol');
  t.is(answer(ready(2, 5)), 'refuse 2 busy, propose a unfit b on 20');
  t.is(answer(ready(4, 6, 1)), '-');
});

test('Ack: never back, never past the end, never of another session', (t) => {
  const answer = (event: LeaderEvent): string => situations['ready, in sync']().step(event);
  t.is(answer(acked(3)), 'refuse 2 protocol');
  t.is(answer(acked(6)), 'refuse 2 protocol');
  t.is(answer(acked(5, 1)), '-');
});

test('decisions on a proposal', (t) => {
  /** Its effects, who counts as in sync, and who is. */
  const answer = (event: LeaderEvent): string => {
    const world = situations.joining();
    const effects = world.step(event);
    const { machine } = world;
    return `${effects} | ${[...machine.maximalIsr].join()} | ${machine.committed.isr.map(({ node }) => node).join()}`;
  };
  t.is(answer(committed()), '- | 1,2 | 1,2');
  t.is(answer(decided('ineligible')), '- | 1 | 1');
  t.is(answer(decided('stale')), '- | 1,2 | 1');
  t.is(answer(decided('unknown')), '- | 1,2 | 1');
  t.is(answer(decided('fenced')), 'resign fenced | 1,2 | 1');
  t.is(answer(committed(21n, 19n)), '- | 1,2 | 1', 'of an older revision');
});
