import { type PartitionKey, partitionIndex, partitionKey, topicId } from '@moldau/kernel';
import test from 'ava';
import fc from 'fast-check';
import { type Assignor, type AssignorMember, assignors, chosenAssignor } from '../src/assign/assignor.ts';
import { instanceId, memberId } from '../src/ids.ts';
import type { TopicView } from '../src/topics.ts';

const numRuns = Number(process.env.MOLDAU_RUNS ?? 500);
const seed = Number(process.env.MOLDAU_SEED ?? 1);

const topic = (name: string, partitions: number, racks: TopicView['racks'] = []): TopicView => ({
  id: topicId(name),
  name,
  partitions,
  racks,
});
const member = (id: string, topics: readonly TopicView[], given: Partial<AssignorMember> = {}): AssignorMember => ({
  id: memberId(id),
  instance: undefined,
  rack: '',
  topics,
  previous: new Set(),
  ...given,
});
const keys = ({ id, partitions }: TopicView): PartitionKey[] =>
  Array.from({ length: partitions }, (_, partition) => partitionKey(id, partitionIndex(partition)));

type Shares = ReturnType<Assignor>;
const after = (members: readonly AssignorMember[], shares: Shares): AssignorMember[] =>
  members.map((one) => ({ ...one, previous: shares.get(one.id) ?? new Set() }));
const inOrder = (shares: Shares): unknown => [...shares].map(([id, share]) => [id, [...share].sort()]).sort();
const sizes = (shares: Shares): number[] => [...shares.values()].map(({ size }) => size);
const spread = (numbers: readonly number[]): number => Math.max(...numbers) - Math.min(...numbers);

/** Every partition that somebody wants has one member, and that one wants it. */
function isComplete(members: readonly AssignorMember[], shares: Shares): boolean {
  const wanted = new Set(members.flatMap(({ topics }) => topics.flatMap(keys)));
  const given = members.flatMap(({ id, topics }) => {
    const own = new Set(topics.flatMap(keys));
    const share = [...(shares.get(id) ?? [])];
    return share.every((partition) => own.has(partition)) ? share : [undefined];
  });
  return given.length === wanted.size && new Set(given).size === wanted.size && given.every((one) => one !== undefined);
}

/** Members of random subscriptions, some of which have had something, not always what they may keep. */
const groups = fc
  .record({
    sizes: fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 5 }),
    members: fc.array(
      fc.record({
        wants: fc.array(fc.nat(), { maxLength: 4 }),
        had: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 8 }),
      }),
      { minLength: 1, maxLength: 7 },
    ),
  })
  .map(({ sizes: partitions, members }) => {
    const topics = partitions.map((size, i) => topic(`t${i}`, size));
    const free = new Set(topics.flatMap(keys));
    return members.map(({ wants, had }, i) => {
      const wanted = topics.filter((_, at) => wants.some((want) => want % topics.length === at));
      const previous = had.flatMap(([at, partition]) => {
        const one = topics[at % topics.length];
        const key = one === undefined ? undefined : keys(one)[partition % Math.max(1, one.partitions)];
        return key !== undefined && free.delete(key) ? [key] : [];
      });
      return member(`m${i}`, wanted, { previous: new Set(previous) });
    });
  });

/** The least sum of squares of loads that any shares reach: by augmenting one partition at a time, along all chains. */
function leastSquares(members: readonly AssignorMember[]): number {
  const held = members.map((): PartitionKey[] => []);
  const wants = members.map(({ topics }) => new Set(topics.flatMap(keys)));
  for (const key of new Set(members.flatMap(({ topics }) => topics.flatMap(keys)))) {
    // Whom the new partition can load in the end, by which chain.
    const via = new Map<number, { from: number | undefined; key: PartitionKey }>();
    const queue: number[] = [];
    const reach = (from: number | undefined, passed: PartitionKey): void => {
      for (const [to, wanted] of wants.entries()) {
        if (via.has(to) || !wanted.has(passed)) continue;
        via.set(to, { from, key: passed });
        queue.push(to);
      }
    };
    reach(undefined, key);
    for (const from of queue) for (const passed of held[from] ?? []) reach(from, passed);
    let end: number | undefined = queue.reduce((a, b) => ((held[b]?.length ?? 0) < (held[a]?.length ?? 0) ? b : a));
    while (end !== undefined) {
      const step: { from: number | undefined; key: PartitionKey } | undefined = via.get(end);
      if (step === undefined) break;
      held[end]?.push(step.key);
      const giver = step.from === undefined ? undefined : held[step.from];
      giver?.splice(giver.indexOf(step.key), 1);
      end = step.from;
    }
  }
  return held.reduce((sum, { length }) => sum + length ** 2, 0);
}

for (const [name, assign] of Object.entries(assignors)) {
  test(`${name}: complete, the same in any order, and at rest when nothing changes`, (t) => {
    fc.assert(
      fc.property(groups, (members) => {
        const shares = assign(members);
        t.true(isComplete(members, shares));
        t.deepEqual(inOrder(assign([...members].reverse())), inOrder(shares));
        t.deepEqual(inOrder(assign(after(members, shares))), inOrder(shares));
      }),
      { seed, numRuns },
    );
  });

  test(`${name}: who replaces a member gets what it had, and nobody else is touched`, (t) => {
    const cases = fc.tuple(
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 6 }),
      fc.nat(),
    );
    fc.assert(
      fc.property(cases, ([partitions, count, place]) => {
        const topics = partitions.map((size, i) => topic(`t${i}`, size));
        const members = Array.from({ length: count }, (_, i) => member(`m${i}`, topics));
        const shares = assign(members);
        const at = place % count;
        const next = after(members, shares).map((one, i) => (i === at ? member('z', topics) : one));
        const replaced = assign(next);
        for (const { id, previous } of next) for (const key of previous) t.true(replaced.get(id)?.has(key));
        // Members that had nothing may be served first.
        if (partitions.some((size) => size < count)) return;
        const gone = members[at]?.id ?? memberId('');
        t.deepEqual([...(replaced.get(memberId('z')) ?? [])].sort(), [...(shares.get(gone) ?? [])].sort());
      }),
      { seed, numRuns },
    );
  });

  test(`${name}: who dies takes nothing of others along, who joins takes no more than its share`, (t) => {
    const cases = fc.tuple(
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 2, max: 8 }),
      fc.nat(),
    );
    fc.assert(
      fc.property(cases, ([partitions, count, gone]) => {
        const topics = partitions.map((size, i) => topic(`t${i}`, size));
        const members = Array.from({ length: count }, (_, i) => member(`m${i}`, topics));
        const shares = assign(members);
        const left = after(members, shares).filter((_, i) => i !== gone % count);
        const fewer = assign(left);
        for (const { id, previous } of left) for (const key of previous) t.true(fewer.get(id)?.has(key));
        const joined = [...after(members, shares), member('z', topics)];
        const more = assign(joined);
        const moved = joined.flatMap(({ id, previous }) =>
          [...previous].filter((key) => more.get(id)?.has(key) !== true),
        );
        t.is(moved.length, more.get(memberId('z'))?.size ?? 0);
      }),
      { seed, numRuns },
    );
  });
}

test('uniform: no shares are more even under these subscriptions', (t) => {
  fc.assert(
    fc.property(groups, (members) => {
      const squares = sizes(assignors.uniform(members)).reduce((sum, size) => sum + size ** 2, 0);
      t.is(squares, leastSquares(members));
    }),
    { seed, numRuns },
  );
});

test('uniform: equal subscriptions differ by one at most, over all topics together', (t) => {
  const topics = [topic('a', 3), topic('b', 1), topic('c', 4)];
  const shares = assignors.uniform([1, 2, 3].map((i) => member(`m${i}`, topics)));
  t.true(spread(sizes(shares)) <= 1);
});

test('uniform: a chain of members passes partitions on where no two can', (t) => {
  const [a, b] = [topic('a', 4), topic('b', 2)];
  const members = [
    member('m1', [a], { previous: new Set(keys(a).slice(0, 3)) }),
    member('m2', [a, b], { previous: new Set([...keys(a).slice(3), ...keys(b).slice(0, 1)]) }),
    member('m3', [b], { previous: new Set(keys(b).slice(1)) }),
  ];
  t.deepEqual(sizes(assignors.uniform(members)), [2, 2, 2]);
});

test('range: a new group gets ranges, and the same ones of topics with as many partitions', (t) => {
  const topics = [topic('orders', 5), topic('payments', 5), topic('refunds', 2)];
  const shares = assignors.range(['a', 'b'].map((id) => member(id, topics)));
  const of = (id: string): string => [...(shares.get(memberId(id)) ?? [])].join(' ');
  t.is(of('a'), 'orders-0 orders-1 orders-2 payments-0 payments-1 payments-2 refunds-0');
  t.is(of('b'), 'orders-3 orders-4 payments-3 payments-4 refunds-1');
});

test('range: topics with as many partitions line up, whatever was before', (t) => {
  const cases = fc.tuple(
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 6 }),
    fc.integer({ min: 1, max: 6 }),
  );
  fc.assert(
    fc.property(cases, ([partitions, before, now]) => {
      const topics = [topic('a', partitions), topic('b', partitions)];
      const first = Array.from({ length: before }, (_, i) => member(`m${i}`, topics));
      const old = assignors.range(first);
      const next = Array.from({ length: now }, (_, i) =>
        member(`m${i}`, topics, { previous: old.get(memberId(`m${i}`)) ?? new Set() }),
      );
      const shares = assignors.range(next);
      for (const share of shares.values()) {
        const of = (name: string): string[] =>
          [...share].filter((key) => key.startsWith(name)).map((key) => key.slice(2));
        t.deepEqual(of('a'), of('b'));
      }
      t.true(spread(sizes(shares)) <= 2);
    }),
    { seed, numRuns },
  );
});

for (const [name, assign] of Object.entries(assignors)) {
  test(`${name}: partitions go where a copy is, as long as that keeps the balance`, (t) => {
    const racks = Array.from({ length: 6 }, (_, partition) => [`r${partition % 3}`]);
    const topics = [topic('a', 6, racks)];
    const shares = assign(['r2', 'r0', 'r1'].map((rack) => member(`in ${rack}`, topics, { rack })));
    t.deepEqual(Object.fromEntries([...shares].map(([id, share]) => [id, [...share].sort().join(' ')])), {
      'in r0': 'a-0 a-3',
      'in r1': 'a-1 a-4',
      'in r2': 'a-2 a-5',
    });
    const crowded = assign(['r0', 'r0', 'r1'].map((rack, i) => member(`m${i}`, topics, { rack })));
    t.deepEqual(sizes(crowded), [2, 2, 2]);
  });

  test(`${name}: a static member that is replaced keeps its place`, (t) => {
    const topics = [topic('a', 4)];
    const instance = instanceId('i');
    const of = (id: string): ReadonlySet<PartitionKey> | undefined =>
      assign([member('m', topics), member(id, topics, { instance }), member('n', topics)]).get(memberId(id));
    t.deepEqual(of('a'), of('z'));
  });

  test(`${name}: a thousand members and partitions take less than 200 ms, from nothing and after a change`, (t) => {
    const topics = [topic('a', 500), topic('b', 300), topic('c', 200)];
    const members = Array.from({ length: 1_000 }, (_, i) => member(`m${i}`, topics));
    // The fastest of three: others may be at work on this machine.
    const time = (act: () => Shares): [number, Shares] => {
      const times = [1, 2, 3].map((): [number, Shares] => {
        const start = performance.now();
        const shares = act();
        return [performance.now() - start, shares];
      });
      return times.reduce((one, other) => (other[0] < one[0] ? other : one));
    };
    const [fresh, shares] = time(() => assign(members));
    const [again] = time(() => assign([...after(members, shares).slice(1), member('z', topics)]));
    const [all] = time(() =>
      assign(members.map((one, i) => (i === 0 ? { ...one, previous: new Set(topics.flatMap(keys)) } : one))),
    );
    t.log(
      `from nothing ${fresh.toFixed(1)} ms, one replaced ${again.toFixed(1)} ms, all from one ${all.toFixed(1)} ms`,
    );
    t.true(Math.max(fresh, again, all) < 200);
  });
}

test('uniform: a thousand members that all want something else are shared out in bounded time', (t) => {
  const topics = Array.from({ length: 1_000 }, (_, i) => topic(`t${i}`, 1));
  const members = Array.from({ length: 1_000 }, (_, i) =>
    member(
      `m${i}`,
      topics.filter((_, at) => (at * 7 + i * i) % 3 === 0),
    ),
  );
  const start = performance.now();
  const shares = assignors.uniform(members);
  const tookMs = performance.now() - start;
  t.log(`${tookMs.toFixed(1)} ms`);
  // Tens of milliseconds, wherever it was measured: a second is another order of growth.
  t.true(tookMs < 1_000);
  t.true(isComplete(members, shares));
});

test('uniform: who joins a group with as many partitions as there may be is not waited for', (t) => {
  const all = Array.from({ length: 30_000 }, (_, i) => topic(`t${i}`, 1));
  const large = Array.from({ length: 100 }, (_, i) => topic(`l${i}`, 1_000));
  const groups = [[large, large], [0, 1, 2].map((left) => all.filter((_, i) => i % 3 !== left))];
  for (const wishes of groups) {
    const members = wishes.map((topics, i) => member(`m${i}`, topics));
    const before = after(members.slice(0, -1), assignors.uniform(members.slice(0, -1)));
    const joined = [...before, ...members.slice(-1)];
    const start = performance.now();
    const shares = assignors.uniform(joined);
    const tookMs = performance.now() - start;
    t.log(`${tookMs.toFixed(0)} ms`);
    // Tenths of a second, wherever it was measured: it took 27 s when each step looked at all pieces.
    t.true(tookMs < 3_000);
    t.true(isComplete(joined, shares));
    t.true(spread(sizes(shares)) <= 1, sizes(shares).join(' '));
  }
});

test('the assignor is the one that most ask for', (t) => {
  t.is(chosenAssignor([]), 'uniform');
  t.is(chosenAssignor([undefined, 'range', undefined]), 'range');
  t.is(chosenAssignor(['range', 'uniform']), 'uniform');
  t.is(chosenAssignor(['range', 'uniform', 'range']), 'range');
});
