import { leaderEpoch, nodeEpoch, nodeId, offset } from '@moldau/kernel';
import test from 'ava';
import { MaximalIsr } from '../src/index.ts';
import { acked, b, c, committed, decided, hello, late, ready, start, state, World } from './support/leader-world.ts';

test('who joins has what is called committed in the same step', (t) => {
  // b stands at 3 and holds nothing up: the log's own high watermark is 3 still when 5 is called committed.
  const world = new World({ ...state('a', 1) }, { learns: false });
  t.is(world.step(hello(), ready(4)), 'welcome 2 whole, push 2 from 4, commit 5');
  t.is(world.step({ kind: 'tick' }), '-', 'b lacks what is at 4');
  t.is(world.step(acked(5)), 'propose ab on 20');
});

test('who has left the ISR for its lag does not come back in the step that commits without it', (t) => {
  const world = new World(state('ab', 1)).after(hello(), ready(4)).at(late);
  world.step({ kind: 'tick' });
  t.is(world.step(committed()), 'commit 5');
});

test('a follower that lost data after it was proposed out stays unfit until the store says that it is out of the ELR', (t) => {
  const world = new World(state('ab', 2)).at(late);
  t.is(world.step({ kind: 'tick' }), 'propose a on 20');
  t.is(world.step(hello({ copy: 'lost' })), 'refuse 2 busy');
  t.is(world.step(committed(21n)), 'propose a unfit b on 21');
  t.is(world.step(hello({ copy: 'lost', session: 3 })), 'refuse 3 busy');
  t.is(world.step(committed(22n, 21n)), '-');
  t.is(world.step(hello({ copy: 'lost', session: 4 })), 'welcome 4 reset to 0');
});

test('a follower that once said that it has lost data is not believed otherwise before it is out', (t) => {
  const world = new World(state('ab', 1)).after(hello({ copy: 'doubtful' }));
  t.is(world.step(hello({ session: 3 })), 'refuse 3 busy');
  t.is(world.step(committed(), hello({ session: 4 })), 'commit 5, welcome 4 whole');
});

test('a leader that nobody reaches who is in sync gives way; not when that is no better, or it goes on by itself', (t) => {
  const late9 = { sessionTimeoutMs: 9_000 };
  const tick = { kind: 'tick' } as const;
  t.is(new World(state('ab', 2), late9).at(late).step(tick), 'resign alone');
  t.is(new World(state('abc', 2), late9).at(late).step(tick), 'resign alone');
  t.is(new World(state('ab', 1), late9).at(late).step(tick), 'propose a on 20', 'it goes on without b');
  t.is(new World(state('ab', 2), { ...late9, mayGiveWay: false }).at(late).step(tick), 'propose a on 20', 'not again');
  t.is(new World(state('ab', 2), { sessionTimeoutMs: 10_000 }).at(late).step(tick), 'propose a on 20', 'b may be dead');
  t.is(new World(state('ab', 3, 'c'), late9).at(late).step(tick), 'propose a on 20', 'c is missing, too');
  const following = new World(state('ab', 2), { ...late9, appends: ['y6'] }).after(hello(), ready(4));
  t.is(following.at(late).step(tick), 'propose a on 20', 'b follows, and is late');
  const unfit = new World(state('ab', 2), late9).after(hello({ copy: 'lost' }), decided('unknown'));
  t.is(unfit.at(late).step(tick), 'propose a unfit b on 20', 'b has lost data');
  const full = new World(state('ab', 2), late9).after(
    hello(),
    ready(4),
    { kind: 'full', node: b, session: 2 },
    decided('unknown'),
  );
  t.is(full.at(late).step(tick), 'propose a on 20', 'b has no space');
});

test('lag counts from joining: who joins behind the end is not out at once', (t) => {
  for (const joined of [committed(21n), { kind: 'state', state: state('ab', 2, '', 21n) } as const]) {
    const world = new World(state('a', 2), { appends: ['y6'] }).at(late);
    t.is(world.step(hello(), ready(4)), 'welcome 2 whole, push 2 from 4, propose ab on 20');
    t.is(world.step(joined), 'commit 4');
    t.is(world.step({ kind: 'tick' }), '-');
    t.is(world.at(late + 10_001).step({ kind: 'tick' }), 'propose a on 21');
  }
});

test('follower in ISR that acknowledges nothing (zero credit) is shrunk; with nothing to acknowledge it is not', (t) => {
  const silent = new World(state('ab', 1)).after(hello(), ready(4)).at(late);
  t.is(silent.step({ kind: 'tick' }), 'propose a on 20');
  const idle = new World(state('ab', 1)).after(hello(), ready(5)).at(late);
  t.is(idle.step({ kind: 'tick' }), '-');
});

test('a follower that goes on, at half the speed of the leader, is out once it is late by the lag', (t) => {
  const world = new World(state('ab', 1)).after(hello(), ready(4));
  const leavesAt = Array.from({ length: 60 }, (_, i) => i + 1).find((second) => {
    world.log.append(['y', 'z'].map((value) => ({ epoch: leaderEpoch(6), value })));
    world.log.sync();
    world.at(start + second * 1_000);
    return world.step({ kind: 'log-moved' }, acked(4 + second), { kind: 'tick' }).includes('propose a on 20');
  });
  t.true(leavesAt !== undefined && leavesAt > 10 && leavesAt <= 20, `after ${leavesAt} s`);
});

test('INELIGIBLE takes back its own proposal, and no earlier one on the revision', (t) => {
  const world = new World(state('a', 1)).after(hello(), ready(5));
  t.deepEqual([...world.machine.maximalIsr], [1, 2]);
  world.step(decided('unknown'));
  t.is(world.at(start + 500).step({ kind: 'tick' }), 'propose ab on 20');
  world.step(decided('ineligible'));
  t.deepEqual([...world.machine.maximalIsr], [1, 2]);
  const once = new World(state('a', 1)).after(hello(), ready(5), decided('ineligible'));
  t.deepEqual([...once.machine.maximalIsr], [1]);
});

test('one whom the store refuses keeps nobody else out of the ISR: each is asked for alone, in its turn', (t) => {
  const world = new World(state('a', 1)).after(hello(), ready(5), decided('ineligible'));
  const ofC = [hello({ node: c, session: 3 }), { ...ready(5, 6, 3), node: c }] as const;
  t.is(world.at(start + 500).step(...ofC), 'welcome 3 whole, push 3 from 5, propose ac on 20', 'c was not refused');
  world.step(decided('ineligible'));
  const turns = [1_000, 1_500, 2_000].map((after) => {
    const said = world.at(start + after).step({ kind: 'tick' });
    world.step(decided('ineligible'));
    return said;
  });
  t.deepEqual(turns, ['propose ab on 20', 'propose ac on 20', 'propose ab on 20']);
  t.is(world.at(start + 2_500).step({ kind: 'tick' }), 'propose ac on 20');
  t.is(world.step(committed()), 'propose abc on 21', 'c is in: nobody but b was refused');
});

test('one whom the store refuses keeps nobody else in the ISR, and nothing undecided', (t) => {
  const ofC = [hello({ node: c, session: 3 }), { ...ready(5, 6, 3), node: c }] as const;
  const world = new World(state('ab', 1), { appends: ['y6'] }).after(hello(), ready(4)).at(late - 2);
  t.is(world.step(...ofC), 'welcome 3 whole, push 3 from 5, propose abc on 20');
  world.step(decided('ineligible'));
  t.is(world.at(late + 498).step({ kind: 'tick' }), 'propose a on 20', 'b is late, and leaves without c');
  world.step(decided('unknown'));
  t.is(world.at(late + 998).step({ kind: 'tick' }), 'propose a on 20', 'an earlier proposal is undecided');
});

test('STALE and no answer keep the union, until a state is newer; one that is as old decides nothing', (t) => {
  for (const kind of ['stale', 'unknown'] as const) {
    const world = new World(state('a', 1)).after(hello(), ready(5), decided(kind));
    t.is(world.step({ kind: 'state', state: state('a', 1) }), '-');
    t.deepEqual([...world.machine.maximalIsr], [1, 2]);
    world.step({ kind: 'state', state: state('a', 1, '', 22n) });
    t.is(world.step(decided('ineligible')), '-', 'the late answer of the old revision');
  }
});

test('store restored to an older revision: what it says is no newer state, and its answers decide nothing', (t) => {
  const world = new World(state('a', 1)).after(hello(), ready(5));
  t.is(world.step(committed(19n)), '-');
  t.deepEqual([...world.machine.maximalIsr], [1, 2]);
  t.is(world.step({ kind: 'state', state: state('abc', 1, '', 19n) }), '-');
  t.is(world.machine.committed.partitionEpoch, 20n);
});

test('a long silence of the store costs no memory: proposals that name the same nodes are one', (t) => {
  const isr = new MaximalIsr(state('a', 1));
  const members = state('ab', 1).isr;
  for (let i = 0; i < 3; i += 1) {
    isr.propose(members, new Set());
    isr.doubt();
  }
  t.deepEqual([...isr.nodes()], [1, 2]);
  isr.propose(members, new Set());
  isr.commit(21n);
  t.false(isr.isDoubtful);
});

test('quick removal and re-adding of a replica: its session ends, and it says Hello again', (t) => {
  const world = new World(state('a', 1)).after(hello(), ready(4));
  const without = { ...state('a', 1, '', 21n), replicas: [nodeId(1), nodeId(3)] };
  t.is(world.step({ kind: 'state', state: without }), 'refuse 2 not-replica');
  t.is(world.step({ kind: 'state', state: state('a', 1, '', 22n) }, acked(5)), '-');
  t.is(world.step(hello({ session: 3, nodeEpoch: nodeEpoch(11n) })), 'welcome 3 whole');
});

test('who has stopped does not join, though below min ISR it holds all that is committed', (t) => {
  const world = new World(state('ab', 2), { appends: ['y6'] }).after(hello(), ready(4)).at(late);
  t.is(world.step({ kind: 'tick' }), 'propose a on 20');
  t.is(world.step(committed()), '-');
  t.is(world.step(acked(5)), 'propose ab on 21', 'it goes on');
});

test('a slow disk is a reason to resign once another member has acknowledged more meanwhile', (t) => {
  const slow = (mayGiveWay: boolean): World => {
    const world = new World(state('ab', 1), { mayGiveWay }).after(hello(), ready(5));
    world.log.append([{ epoch: leaderEpoch(6), value: 'z' }]);
    return world.after({ kind: 'log-moved' });
  };
  const alone = slow(true).at(start + 3_000);
  t.is(alone.step({ kind: 'tick' }), '-');
  t.is(
    alone.step(hello({ session: 3, durableEnd: offset(5) }), ready(5, 6, 3)),
    'refuse 2 protocol, welcome 3 whole, push 3 from 5',
  );
  t.is(alone.step({ kind: 'tick' }), '-', 'a new session is no sync');
  t.is(alone.step(acked(6, 3)), '-');
  t.is(alone.step({ kind: 'tick' }), 'resign slow-disk');
  const before = slow(false).at(start + 3_000);
  t.is(before.step(acked(6)), '-');
  t.is(before.step({ kind: 'tick' }), '-', 'it has resigned for that not long ago');
});

test('what followers have removed is the least of what those in sync say', (t) => {
  const world = new World(state('ab', 1)).after(hello(), ready(4));
  t.is(world.machine.othersLogStart, offset(0));
  world.step({ kind: 'acked', node: nodeId(2), session: 2, durableEnd: offset(4), logStart: offset(2) });
  t.is(world.machine.othersLogStart, offset(2));
  t.is(new World(state('a', 1)).machine.othersLogStart, undefined);
});
